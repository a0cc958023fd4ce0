"""The wheel carries a program for one machine, and fits any Python there."""

import sysconfig

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MachineHook(BuildHookInterface):
    def initialize(self, version, build_data):
        machine = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{machine}"

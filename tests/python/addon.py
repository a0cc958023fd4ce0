"""What of JupyterLite's addon a site's build does not show: programs that never end, downloads that end early.

addon.py PREFETCH_INDEX DISTRIBUTION: run by a Python that has JupyterLite and the addon's source on its path.
"""

import contextlib
import http.server
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from jupyterlite_wheelfs import distribution, errors, recording

recording.PROGRAM = pathlib.Path(sys.argv[1])
folder = pathlib.Path(tempfile.mkdtemp())


def running(argument):
    """How many processes were started with this in an argument."""
    count = 0
    for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        # It may just have ended.
        with contextlib.suppress(OSError):
            count += str(argument).encode() in file.read_bytes()
    return count


class Short(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 300)
        self.close_connection = True

    def log_message(self, *words):
        pass


endless = folder / "endless.py"
endless.write_text("while True: pass")
seen = []
threading.Timer(4, lambda: seen.append(running(endless))).start()
try:
    recording.prefetch_index(["record", "--pyodide", sys.argv[2], "-o", folder / "endless.trace", endless], 8)
except subprocess.TimeoutExpired:
    for _ in range(100):
        left = running(endless)
        if not left:
            break
        time.sleep(0.1)
    print("ended:", seen[0] > 1, left)

server = http.server.HTTPServer(("127.0.0.1", 0), Short)
threading.Thread(target=server.serve_forever, daemon=True).start()
target = folder / "pyodide.mjs"
try:
    distribution.download(f"http://127.0.0.1:{server.server_port}/pyodide.mjs", target)
except errors.WheelfsError as error:
    print("refused:", "300 of 1000 bytes" in str(error), target.exists())

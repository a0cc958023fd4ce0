//! JupyterLite sites, built as their users build them and driven through the application itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{Browser, HarnessError, Parts, Section, read_json};

/// The plugin that the kernel's settings are of.
const KERNEL: &str = "@jupyterlite/pyodide-kernel-extension:kernel";

/// A Python environment as its user would have it, without installing JupyterLite once more: one that looks into another,
/// whose own programs do not start since its folder was renamed.
const ENVIRONMENT: &str = r#"
import os, pathlib, sys, sysconfig, venv
from pip._vendor.distlib.scripts import ScriptMaker

folder = pathlib.Path(sys.argv[1])
venv.create(folder)
[packages] = folder.glob("lib/*/site-packages")
(packages / "jupyterlite.pth").write_text(sysconfig.get_paths()["purelib"])
os.symlink(f"{sys.prefix}/share", folder / "share")
maker = ScriptMaker(None, str(folder / "bin"))
maker.executable = str(folder / "bin/python")
maker.variants = {""}
maker.make_multiple([
    "pip = pip._internal.cli.main:main",
    "jupyter = jupyter_core.command:main",
    "jupyter-lite = jupyterlite_core.app:main",
])
"#;

/// What a document tells its readers to type.
#[derive(Clone, Debug)]
pub struct Commands {
    /// In the clone.
    install: String,
    /// In the folder of the site's source.
    build: String,
}

impl Commands {
    /// README.md's.
    pub fn of_readme() -> Result<Commands, HarnessError> {
        let section = Section::read("README.md", "In JupyterLite, PyScript, or wherever Pyodide is a URL")?;
        Ok(Commands { install: section.quoted("pip install")?, build: section.quoted("jupyter lite")? })
    }

    /// Those of docs/drop-in.md.
    pub fn of_drop_in() -> Result<Commands, HarnessError> {
        let block = Section::read("docs/drop-in.md", "JupyterLite")?.code("")?;
        let (install, build) = block.split_once('\n').unwrap_or((&block, ""));
        Ok(Commands { install: install.to_owned(), build: build.trim_end().to_owned() })
    }
}

/// A site's source and how to build it, with one version of JupyterLite and the Pyodide that belongs to it.
#[derive(Debug)]
pub struct Lite {
    commands: Commands,
    environment: PathBuf,
    /// For recording.
    node: PathBuf,
    source: PathBuf,
}

impl Lite {
    /// Copies the example of `demo-site/examples` into `folder` and installs the addon. `version`: "0.8" or "0.6".
    pub fn new(
        parts: &Parts,
        version: &str,
        example: &str,
        commands: Commands,
        folder: &Path,
    ) -> Result<Lite, HarnessError> {
        let source = folder.join("site");
        copy(&Parts::root().join("demo-site/examples").join(example), &source)?;
        let environment = folder.canonicalize()?.join("environment");
        let python = parts.jupyterlite(version)?;
        let made = Command::new(python).args(["-c", ENVIRONMENT]).arg(&environment).status()?;
        if !made.success() {
            return Err(HarnessError::Script { script: python.to_owned(), status: made });
        }
        let lite = Lite { commands, environment, node: parts.node.clone(), source };
        lite.shell(&lite.commands.install, Parts::root(), &[])?;
        Ok(lite)
    }

    /// Puts a Pyodide where the site looks for its own.
    pub fn add_pyodide(&self, distribution: &Path) -> Result<(), HarnessError> {
        fs::create_dir_all(self.source.join("static"))?;
        Ok(std::os::unix::fs::symlink(distribution, self.source.join("static/pyodide"))?)
    }

    /// Puts the wheels that its kernels cannot fetch where the site looks for such.
    pub fn add_wheels(&self, parts: &Parts) -> Result<(), HarnessError> {
        copy(&parts.site_wheels, &self.source.join("pypi"))
    }

    /// Writes the site's settings. `kernel`: more of those of the Python kernel.
    pub fn configure(&self, mut kernel: Value) -> Result<(), HarnessError> {
        kernel["disablePyPIFallback"] = true.into();
        let settings = json!({ "jupyter-lite-schema-version": 0, "jupyter-config-data": {
            // The application shows itself to scripts.
            "exposeAppInBrowser": true,
            "litePluginSettings": { KERNEL: kernel }
        }});
        Ok(fs::write(self.source.join("jupyter-lite.json"), settings.to_string())?)
    }

    /// The settings of the Python kernel in a site that was built.
    pub fn kernel_settings(&self, output: &Path) -> Result<Value, HarnessError> {
        let mut settings: Value = read_json(&output.join("jupyter-lite.json"))?;
        Ok(settings["jupyter-config-data"]["litePluginSettings"][KERNEL].take())
    }

    /// The folder of the site's source.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// Builds the site in `output`, or over what is there.
    pub fn build(&self, output: &Path, options: &[&str]) -> Result<(), HarnessError> {
        self.lite(&self.commands.build, output, options)
    }

    /// `jupyter lite check`. It builds the site before.
    pub fn check(&self, output: &Path, options: &[&str]) -> Result<(), HarnessError> {
        self.lite("jupyter lite check", output, options)
    }

    fn lite(&self, command: &str, output: &Path, options: &[&str]) -> Result<(), HarnessError> {
        let output = output.to_string_lossy();
        self.shell(command, &self.source, &[&["--output-dir", &output], options].concat())
    }

    /// Runs a line of a shell with more arguments at its end.
    fn shell(&self, line: &str, folder: &Path, more: &[&str]) -> Result<(), HarnessError> {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let paths = [self.environment.join("bin")].into_iter().chain(std::env::split_paths(&inherited));
        let output = Command::new("sh")
            .args(["-c", &format!("{line} \"$@\""), "sh"])
            .args(more)
            .current_dir(folder)
            .env("PATH", std::env::join_paths(paths).map_err(std::io::Error::other)?)
            .env("NODE", &self.node)
            // The addon's wheel takes the place of PyPI.
            .env("PIP_NO_INDEX", "1")
            .env("PIP_FIND_LINKS", Parts::root().join("target/pypi"))
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Err(HarnessError::Script { script: line.into(), status: output.status })
    }
}

/// What a page can say of JupyterLite's kernels. Runs once in it.
const DRIVER: &str = r#"
const app = window.jupyterapp;
const kernels = {};
window.lite = {
  async start(name) {
    const begun = performance.now();
    const session = await app.serviceManager.sessions.startNew({
      name: `${name}.ipynb`, path: `${name}.ipynb`, type: "notebook", kernel: { name: "python" },
    });
    const kernel = kernels[name] = session.kernel;
    await kernel.info;
    return performance.now() - begun;
  },
  async restart(name) { await kernels[name].restart(); await kernels[name].info; },
  async run(name, code) {
    const begun = performance.now();
    const printed = [];
    const future = kernels[name].requestExecute({ code });
    future.onIOPub = ({ header, content }) => {
      if (header.msg_type === "stream") printed.push(content.text);
      if (header.msg_type === "execute_result") printed.push(content.data["text/plain"]);
      if (header.msg_type === "error") printed.push(`${content.ename}: ${content.evalue}\n${content.traceback?.join("\n")}`);
    };
    const reply = await future.done;
    return { status: reply.content.status, output: printed.join(""), ms: performance.now() - begun };
  },
  async file(path) {
    const { content, format } = await app.serviceManager.contents.get(path, { content: true });
    return format === "base64" ? (await fetch(`data:;base64,${content}`)).text() : content;
  },
  async complete(name, code) {
    const reply = await kernels[name].requestComplete({ code, cursor_pos: code.length });
    return reply.content.matches;
  },
};
"#;

/// A site's application, open in a browser.
pub struct LitePage<'a> {
    browser: &'a Browser,
}

impl LitePage<'_> {
    /// Opens `url`, the site's `lab/index.html`, and waits until the application has started.
    pub async fn open<'a>(browser: &'a Browser, url: &str) -> Result<LitePage<'a>, HarnessError> {
        browser.goto(url).await?;
        let page = LitePage { browser };
        browser.value("return window.jupyterapp ? true : null").await?;
        page.wait("window.jupyterapp.restored.then(() => {})").await?;
        browser.execute(DRIVER).await?;
        Ok(page)
    }

    /// Starts a kernel, to be called `name`; returns the milliseconds until it answered.
    pub async fn start(&self, name: &str) -> Result<f64, HarnessError> {
        let ms = self.wait(&format!("lite.start({})", json!(name))).await?;
        Ok(ms.as_f64().unwrap_or(f64::NAN))
    }

    /// Restarts it.
    pub async fn restart(&self, name: &str) -> Result<(), HarnessError> {
        self.wait(&format!("lite.restart({})", json!(name))).await.map(drop)
    }

    /// Runs a cell; returns what it shows. A cell that fails shows its traceback.
    pub async fn run(&self, name: &str, code: &str) -> Result<String, HarnessError> {
        Ok(self.run_timed(name, code).await?.0)
    }

    /// The same, with the milliseconds it took.
    pub async fn run_timed(&self, name: &str, code: &str) -> Result<(String, f64), HarnessError> {
        let reply = self.wait(&format!("lite.run({}, {})", json!(name), json!(code))).await?;
        let output = reply["output"].as_str().unwrap_or_default().to_owned();
        Ok((output, reply["ms"].as_f64().unwrap_or(f64::NAN)))
    }

    /// Runs the same cell in several kernels at once; returns what each shows.
    pub async fn run_in_all(&self, names: &[&str], code: &str) -> Result<Vec<String>, HarnessError> {
        let all = format!("Promise.all({}.map((name) => lite.run(name, {})))", json!(names), json!(code));
        let replies = self.wait(&all).await?;
        let shown = |reply: &Value| reply["output"].as_str().unwrap_or_default().to_owned();
        Ok(replies.as_array().into_iter().flatten().map(shown).collect())
    }

    /// What Tab offers at the end of `code`.
    pub async fn complete(&self, name: &str, code: &str) -> Result<Vec<String>, HarnessError> {
        let matches = self.wait(&format!("lite.complete({}, {})", json!(name), json!(code))).await?;
        Ok(matches.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// The text of a file in the file browser.
    pub async fn file(&self, path: &str) -> Result<String, HarnessError> {
        let text = self.wait(&format!("lite.file({})", json!(path))).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// The value of a promise.
    async fn wait(&self, promise: &str) -> Result<Value, HarnessError> {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             Promise.resolve({promise}).then((value) => done({{ value: value ?? null }}), (error) => done({{ error: String(error?.message ?? error) }}));"
        );
        let mut answer = self.browser.client().execute_async(&script, Vec::new()).await?;
        if let Some(message) = answer["error"].as_str() {
            return Err(HarnessError::Page { url: promise.to_owned(), message: message.to_owned() });
        }
        Ok(answer["value"].take())
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), HarnessError> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(source, target)?;
        }
    }
    Ok(())
}

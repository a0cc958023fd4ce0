//! JupyterLite sites, built as their users build them and driven through the application itself.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{Browser, HarnessError, Parts};

/// The plugin that the kernel's settings are of.
const KERNEL: &str = "@jupyterlite/pyodide-kernel-extension:kernel";

/// A site's source and how to build it, with one version of JupyterLite and the Pyodide that belongs to it.
#[derive(Debug)]
pub struct Lite {
    python: PathBuf,
    /// For recording.
    node: PathBuf,
    addon: PathBuf,
    source: PathBuf,
}

impl Lite {
    /// Copies the example of `demo-site/examples` into `folder` and installs the addon's wheel. `version`: "0.8" or "0.6".
    pub fn new(parts: &Parts, version: &str, example: &str, folder: &Path) -> Result<Lite, HarnessError> {
        let source = folder.join("site");
        copy(&Parts::root().join("demo-site/examples").join(example), &source)?;
        // A program started there needs the whole path.
        let folder = &folder.canonicalize()?;
        let python = parts.jupyterlite(version)?.to_owned();
        let addon = folder.join("addon");
        let lite = Lite { python, node: parts.node.clone(), addon, source };
        let wheel = parts.addon()?;
        let pip =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"];
        lite.run(pip.iter().map(OsStr::new).chain([
            OsStr::new("--target"),
            lite.addon.as_os_str(),
            wheel.as_os_str(),
        ]))?;
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
        let path = output.join("jupyter-lite.json");
        let mut settings: Value = serde_json::from_slice(&fs::read(&path)?)
            .map_err(|source| HarnessError::Json { path, source })?;
        Ok(settings["jupyter-config-data"]["litePluginSettings"][KERNEL].take())
    }

    /// The folder of the site's source.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// `jupyter lite COMMAND`, to or over the site in `output`; returns what it printed.
    pub fn lite(&self, command: &str, output: &Path, options: &[&str]) -> Result<String, HarnessError> {
        let arguments = ["-m", "jupyterlite_core", command, "--contents", "files", "--output-dir"];
        let arguments = arguments.iter().map(OsStr::new).chain([output.as_os_str()]);
        self.run(arguments.chain(options.iter().map(OsStr::new)))
    }

    fn run<'a>(&self, arguments: impl Iterator<Item = &'a OsStr>) -> Result<String, HarnessError> {
        let output = Command::new(&self.python)
            .args(arguments)
            .current_dir(&self.source)
            .env("PYTHONPATH", &self.addon)
            .env("NODE", &self.node)
            .output()?;
        let printed =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            println!("{printed}");
            return Err(HarnessError::Script { script: self.python.clone(), status: output.status });
        }
        Ok(printed)
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
        page.wait("(async () => { while (!window.jupyterapp) await new Promise((r) => setTimeout(r, 50)); await window.jupyterapp.restored; })()")
            .await?;
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

//! TypeScript over plain JavaScript: checks the JSDoc types and writes the declarations from them.

use std::{fs, path::Path, process::Command};

use anyhow::Result;
use serde_json::{Value, json};

use crate::{cache, parts::Places, step};

/// Checks the modules in `source` and writes their `.d.mts` into `package`.
pub(crate) fn declare(places: &Places, source: &Path, package: &Path) -> Result<()> {
    let mut options = options(places);
    options["declaration"] = true.into();
    options["stripInternal"] = true.into();
    options["emitDeclarationOnly"] = true.into();
    options["rootDir"] = json!(source);
    options["outDir"] = json!(package);
    compile(
        places,
        "package",
        &json!({ "compilerOptions": options, "include": [source.join("*.mjs"), source.join("*.d.mts")] }),
    )
}

/// Checks every script in the clone that is no module of the package: page, recorder, tests, what the package carries; and
/// the package's declarations, by a program that uses them.
pub(crate) fn check(places: &Places) -> Result<()> {
    let root = cache::root();
    let mut options = options(places);
    options["noEmit"] = true.into();
    options["paths"]["wheelfs"] = json!([root.join("target/npm/wheelfs/index.d.mts")]);
    let include = [
        "demo-site/**/*.mjs",
        "prefetch-index/**/*.mjs",
        "tests/**/*.mjs",
        "tests/**/*.mts",
        "vfs/worker/*.js",
    ]
    .map(|glob| root.join(glob));
    compile(places, "clone", &json!({ "compilerOptions": options, "include": include }))
}

fn compile(places: &Places, name: &str, config: &Value) -> Result<()> {
    let folder = cache::root().join("target/tsc");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("tsconfig.{name}.json"));
    fs::write(&file, format!("{config:#}"))?;
    step::run(
        Command::new(&places.node)
            .arg(places.node_modules.join("typescript/bin/tsc"))
            .args(["--pretty", "false", "--project"])
            .arg(&file),
    )
}

fn options(places: &Places) -> Value {
    let modules = &places.node_modules;
    json!({
        "allowJs": true,
        "checkJs": true,
        "strict": true,
        "target": "esnext",
        "module": "nodenext",
        "lib": ["esnext", "dom", "dom.iterable", "webworker.importscripts"],
        "types": ["node"],
        "typeRoots": [modules.join("@types")],
        "paths": { "pyodide": [modules.join("pyodide-0.27.7/pyodide.d.ts")] },
        "skipLibCheck": true
    })
}

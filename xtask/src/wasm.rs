//! The wasm module: compiled, bound to JavaScript, optimised.

use std::{collections::HashMap, fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use walrus::Module;
use wasm_bindgen_cli_support::Bindgen;

use crate::{cache, parts::Places, setup::Ready, step, toolchain::TARGET};

/// Compiles the package `vfs` and fills `folder` with `wheelfs.js`, `wheelfs.d.ts` and `wheelfs_bg.wasm`, unless this very
/// module was bound before.
pub(crate) fn make(ready: &Ready, folder: &Path) -> Result<()> {
    let toolchain = ready.toolchain;
    step::run(toolchain.cargo_build().args(["--quiet", "--package", "vfs", "--lib"]))?;
    let module = toolchain.target_dir().join(TARGET).join("wasm/vfs.wasm");
    let key = cache::sha256(&fs::read(&module)?);
    cache::filled(folder, &key, |partial| {
        bind(&module, partial)?;
        shorten_names(partial)?;
        add_start(partial)?;
        optimise(&ready.places, partial)
    })
}

fn bind(module: &Path, folder: &Path) -> Result<()> {
    Bindgen::new()
        .input_path(module)
        .out_name("wheelfs")
        .web(true)?
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(folder)
        .context("wasm-bindgen refuses the module")?;
    // Internal to the package: the public types are those of index.d.mts.
    let raw = folder.join("wheelfs_bg.wasm.d.ts");
    if raw.exists() {
        fs::remove_file(raw)?;
    }
    Ok(())
}

/// Numbers what the module in `folder` and its glue import from each other. Those names are long and carry hashes, which no
/// compression makes smaller: 3 KB of what a page downloads.
fn shorten_names(folder: &Path) -> Result<()> {
    let (module_file, glue_file) = (folder.join("wheelfs_bg.wasm"), folder.join("wheelfs.js"));
    let mut module = Module::from_file(&module_file)?;
    let mut glue = fs::read_to_string(&glue_file)?;
    for (import, number) in module.imports.iter_mut().zip(0..) {
        let (key, short) = (format!(" {}: ", import.name), format!("_{number}"));
        ensure!(glue.matches(&key).count() == 1, "the glue does not define {} once", import.name);
        glue = glue.replace(&key, &format!(" {short}: "));
        import.name = short;
    }
    let mut names = HashMap::new();
    for (export, number) in module.exports.iter_mut().zip(0..) {
        let short = format!("_{number}");
        names.insert(std::mem::replace(&mut export.name, short.clone()), short);
    }
    module.emit_wasm_file(&module_file)?;
    Ok(fs::write(&glue_file, renamed(&glue, &names)?)?)
}

/// The glue, with these names for the members of its object `wasm`.
fn renamed(glue: &str, names: &HashMap<String, String>) -> Result<String> {
    const OBJECT: &str = "wasm.";
    let mut parts = glue.split(OBJECT);
    let mut renamed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let short = names.get(name).with_context(|| format!("the module does not export {name}"))?;
        renamed.extend([OBJECT, short, rest]);
    }
    Ok(renamed)
}

/// Adds the one way in that the package uses, for a module that is compiled: wasm-bindgen's, which take anything, then do not
/// come along.
fn add_start(folder: &Path) -> Result<()> {
    for (name, text) in [
        (
            "wheelfs.js",
            "export function start(module) {\n    \
             __wbg_finalize_init(new WebAssembly.Instance(module, __wbg_get_imports()), module);\n}\n",
        ),
        ("wheelfs.d.ts", "export function start(module: WebAssembly.Module): void;\n"),
    ] {
        let file = folder.join(name);
        fs::write(&file, fs::read_to_string(&file)? + text)?;
    }
    Ok(())
}

/// Makes the module in `folder` as small as binaryen can.
fn optimise(places: &Places, folder: &Path) -> Result<()> {
    let module = folder.join("wheelfs_bg.wasm");
    let partial = folder.join("wheelfs_bg.wasm.partial");
    // The second round, with functions sorted by how often they are called, makes 0.4 % fewer bytes of brotli.
    let rounds: [&[&str]; 2] =
        [&["-Oz", "--strip-debug", "--strip-producers"], &["-Oz", "--reorder-functions", "--reorder-locals"]];
    for round in rounds {
        step::run_quietly(
            Command::new(&places.node)
                .arg(places.node_modules.join("binaryen/bin/wasm-opt"))
                .args(round)
                // What rustc emits for wasm32-unknown-unknown since 1.82 (LLVM 19's "generic" processor), and nothing that
                // a browser with JSPI lacks.
                .args(["--enable-bulk-memory", "--enable-mutable-globals", "--enable-multivalue"])
                .args(["--enable-nontrapping-float-to-int", "--enable-reference-types", "--enable-sign-ext"])
                .arg(&module)
                .arg("--output")
                .arg(&partial),
        )?;
        fs::rename(&partial, &module)?;
    }
    Ok(())
}

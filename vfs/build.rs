//! Assembles the bridge, so that the shipped module carries it and a page makes no request for it.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    for name in ["bridge", "trampoline"] {
        let source = format!("bridge/{name}.wat");
        println!("cargo::rerun-if-changed={source}");
        fs::write(Path::new(&out).join(name).with_extension("wasm"), wat::parse_file(&source)?)?;
    }
    Ok(())
}

//! What the shipped module carries, so that a page makes no request for it: the assembled bridge, and what is done in
//! Python, without the words for its reader. `carried.rs` lists them.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let mut carried = Vec::new();
    for folder in ["bridge", "py"] {
        println!("cargo::rerun-if-changed={folder}");
        for source in fs::read_dir(folder)? {
            let path = source?.path();
            let (name, content) = match path.extension().is_some_and(|extension| extension == "wat") {
                true => (path.with_extension("wasm"), wat::parse_file(&path)?),
                false => (path.clone(), code(&fs::read_to_string(&path)?).into_bytes()),
            };
            let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
            fs::write(out.join(&name), content)?;
            carried.push(name);
        }
    }
    carried.sort();
    let rows = carried.iter().map(|name| format!("({name:?}, include_bytes!({:?})),\n", out.join(name)));
    let rows: String = rows.collect();
    Ok(fs::write(
        out.join("carried.rs"),
        format!("static CARRIED: [(&str, &[u8]); {}] = [\n{rows}];\n", carried.len()),
    )?)
}

/// Lines of Python without comments and docstrings that have lines of their own.
fn code(source: &str) -> String {
    let mut in_docstring = false;
    let is_code = |line: &&str| {
        let quotes = line.matches("\"\"\"").count();
        let is_docstring = in_docstring || line.trim_start().starts_with("\"\"\"");
        in_docstring ^= is_docstring && quotes % 2 == 1;
        !is_docstring && !line.trim_start().starts_with('#') && !line.trim().is_empty()
    };
    source.lines().filter(is_code).map(|line| [line, "\n"].concat()).collect()
}

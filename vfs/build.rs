//! What the shipped module carries, so that a page makes no request for it: the assembled bridge, and what is done in
//! Python and in a worker, without the words for their readers. `carried.rs` lists them.

use std::{env, error::Error, ffi::OsStr, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let mut carried = Vec::new();
    for folder in ["bridge", "py", "worker"] {
        println!("cargo::rerun-if-changed={folder}");
        for source in fs::read_dir(folder)? {
            let path = source?.path();
            let text = |code: fn(&str) -> String| {
                Ok::<_, std::io::Error>(code(&fs::read_to_string(&path)?).into_bytes())
            };
            let (name, content) = match path.extension().and_then(OsStr::to_str) {
                Some("wat") => (path.with_extension("wasm"), wat::parse_file(&path)?),
                Some("py") => (path.clone(), text(python)?),
                _ => (path.clone(), text(javascript)?),
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
fn python(source: &str) -> String {
    let mut in_docstring = false;
    let is_code = |line: &&str| {
        let quotes = line.matches("\"\"\"").count();
        let is_docstring = in_docstring || line.trim_start().starts_with("\"\"\"");
        in_docstring ^= is_docstring && quotes % 2 == 1;
        !is_docstring && !line.trim_start().starts_with('#') && !line.trim().is_empty()
    };
    source.lines().filter(is_code).map(|line| [line, "\n"].concat()).collect()
}

/// Lines of JavaScript without comments.
fn javascript(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("/*") {
        code.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    let lines = code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.map(|line| [line, "\n"].concat()).collect()
}

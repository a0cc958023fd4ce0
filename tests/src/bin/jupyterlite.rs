//! The bench behind `cargo xtask bench --jupyterlite`: one site with and without the addon, in turn, each time in a
//! fresh Chromium at the far end of a shaped line. Figures are medians.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use demo_site::Line;
use serde::Serialize;
use wheelfs_tests::{Browser, Commands, HarnessError, Lite, LitePage, Parts, Site};

#[derive(Parser)]
struct Arguments {
    /// JupyterLite: 0.8 with Pyodide 314 and sympy, or 0.6 with Pyodide 0.27 and pandas.
    #[arg(long, default_value = "0.8")]
    jupyterlite: String,
    #[arg(long, default_value_t = 200)]
    rtt: u64,
    #[arg(long, default_value_t = 20)]
    down: u64,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds between the kernel's start and the import, as a reader of the notebook takes.
    #[arg(long, default_value_t = 0)]
    pause: u64,
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Default, Serialize)]
struct Figures {
    /// From the request for a kernel until it answers.
    start_ms: Vec<f64>,
    /// The first cell, which imports the package.
    import_ms: Vec<f64>,
    /// Bytes over the line, the application's own included.
    wire_bytes: Vec<f64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match bench(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(arguments: &Arguments) -> Result<(), HarnessError> {
    let (example, pyodide, import) = match arguments.jupyterlite.as_str() {
        "0.6" => (
            "jupyterlite-0.27",
            "0.27.7",
            "import pandas\nint(pandas.DataFrame({'age': [36, 85]})['age'].sum())",
        ),
        _ => (
            "jupyterlite",
            "314.0.7",
            "import sympy\nx = sympy.symbols('x')\nsympy.integrate(sympy.sin(x), x)",
        ),
    };
    let parts = Parts::find()?;
    let folder = Parts::root().join("target/site/jupyterlite").join(&arguments.jupyterlite);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let sites = [("unmodified", vec!["--no-wheelfs"]), ("wheelfs", vec![])]
        .map(|(name, options)| (name, folder.join(name), options));
    for (name, folder, options) in &sites {
        eprintln!("    building the site, {name}");
        // A source each: JupyterLite remembers in it what it built, wherever to.
        let lite = Lite::new(&parts, &arguments.jupyterlite, example, Commands::of_readme()?, folder)?;
        lite.add_pyodide(parts.pyodide(pyodide)?)?;
        lite.add_wheels(&parts)?;
        lite.configure(serde_json::json!({}))?;
        lite.build(&folder.join("output"), options)?;
    }
    let mut figures = [Figures::default(), Figures::default()];
    for round in 1..=arguments.rounds {
        for ((name, folder, _), figures) in sites.iter().zip(&mut figures) {
            // Not over TLS: no service worker runs behind a certificate that nobody signed.
            let site = Site::of(&[("/", &folder.join("output"))])
                .start(Line::new(arguments.rtt, arguments.down))
                .await?;
            let browser = Browser::start(&parts).await?;
            let page = LitePage::open(&browser, &site.url("/lab/index.html")).await?;
            let start = page.start("bench").await?;
            tokio::time::sleep(std::time::Duration::from_secs(arguments.pause)).await;
            let (shown, import) = page.run_timed("bench", import).await?;
            eprintln!(
                "    round {round}, {name}: start {:.1} s, import {:.1} s, {shown}",
                start / 1e3,
                import / 1e3
            );
            figures.start_ms.push(start);
            figures.import_ms.push(import);
            figures.wire_bytes.push(site.relay.downstream_bytes() as f64);
        }
    }
    let [plain, lazy] = &figures;
    for (what, plain, lazy) in [
        ("kernel start, s", &plain.start_ms, &lazy.start_ms),
        ("first import, s", &plain.import_ms, &lazy.import_ms),
    ] {
        let (plain, lazy) = (median(plain), median(lazy));
        println!(
            "{what}: unmodified {:.1}, wheelfs {:.1}, ratio {:.2}",
            plain / 1e3,
            lazy / 1e3,
            lazy / plain
        );
    }
    if let Some(path) = &arguments.json {
        let named = serde_json::json!({ "unmodified": plain, "wheelfs": lazy });
        fs::write(path, named.to_string())?;
    }
    Ok(())
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

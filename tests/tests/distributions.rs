//! The Pyodide distributions that set-up assembles do run, in the Node that it installs.

use wheelfs_tests::{Eager, HarnessError, Node, Parts};

async fn eager(version: &str, packages: &str, app: &str) -> Result<Eager, HarnessError> {
    Node::new(&Parts::find()?).eager(version, packages, app).await
}

#[tokio::test]
async fn pandas_on_0_27() -> Result<(), HarnessError> {
    let run = eager("0.27.7", "pandas", "demo-site/apps/pandas.py").await?;
    assert_eq!(run.version, "0.27.7");
    assert!(run.output.contains(" south     60    231.0   Grace"), "{}", run.output);
    Ok(())
}

#[tokio::test]
async fn compiled_and_pure_packages_on_314() -> Result<(), HarnessError> {
    let run = eager("314.0.7", "sympy,pydantic,msgpack", "tests/apps/modern.py").await?;
    assert_eq!(run.version, "314.0.7");
    assert_eq!(run.output, "-cos(x)\n{\"x\":1,\"y\":2}\n{'wheels': [1, 2, 3]}");
    Ok(())
}

#[tokio::test]
async fn a_script_that_fails_is_an_error() {
    let parts = Parts::find().unwrap();
    let failed = Node::new(&parts).run::<Eager>("node/eager.mjs", &["/nowhere", "", "/nowhere"]).await;
    assert!(matches!(failed, Err(HarnessError::Script { .. })));
}

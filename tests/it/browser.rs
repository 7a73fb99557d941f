//! The browser plugin: the built extension in a headless Chromium, with a real node.
//!
//! What happens is in `plugin/extension/e2e`, driven by playwright-core. It
//! needs Node.js, Chromium (on the PATH, or named by `CROWDFOLD_CHROMIUM`) and
//! what `scripts/plugin` builds; without them the tests say so and pass,
//! except in CI, where that is a failure.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::PoisonError,
    time::{Duration, Instant},
};

/// Longest run of one script.
const LIMIT: Duration = Duration::from_secs(15 * 60);

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin").join(path)
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// What the tests need and is not there.
fn missing() -> Option<&'static str> {
    let has_chromium = std::env::var_os("CROWDFOLD_CHROMIUM").is_some()
        || ["chromium", "chromium-browser", "chrome"].into_iter().any(is_on_path);
    [
        (is_on_path("node"), "Node.js"),
        (has_chromium, "Chromium"),
        (at("dist/extension/manifest.json").exists(), "the built plugin (scripts/plugin builds it)"),
        (at("extension/node_modules/playwright-core").exists(), "playwright-core (scripts/plugin installs it)"),
        (at("../tests/wallets/node_modules/viem").exists(), "viem (npm install --prefix tests/wallets)"),
    ]
    .into_iter()
    .find_map(|(is_there, what)| (!is_there).then_some(what))
}

/// Writes past the test runner's capture: these lines are for whoever watches.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap_or_default();
}

/// Runs a script of `plugin/extension/e2e`; its output is shown as it comes.
fn run(script: &str, cases: &[&str]) {
    if let Some(what) = missing() {
        assert!(std::env::var_os("CI").is_none(), "{what} is missing");
        say(&format!("\n*** SKIPPED: {script}: {what} is missing ***\n"));
        return;
    }
    let _alone = crate::ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    say(&format!("\n== plugin/extension/e2e/{script} =="));
    let mut child = Command::new("node")
        .arg(at("extension/e2e").join(script))
        .args(cases)
        .env("CROWDFOLD", env!("CARGO_BIN_EXE_crowdfold"))
        // It ends with this process: our end of its standard input closes then.
        .env("CROWDFOLD_PARENT", "1")
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if started.elapsed() > LIMIT {
            drop(child.stdin.take());
            std::thread::sleep(Duration::from_secs(10));
            child.kill().unwrap_or_default();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(status.is_some_and(|status| status.success()), "{script}: {status:?}");
}

#[test]
fn the_plugin_proves_is_paid_survives_and_explains_its_penalty() {
    run("must-show.mjs", &[]);
}

#[test]
fn the_plugin_withstands_lying_nodes_and_prying_pages() {
    run("bad-input.mjs", &["^(node|wallet|web)"]);
}

#[test]
fn the_plugin_withstands_failing_storage() {
    run("bad-input.mjs", &["^storage"]);
}

#[test]
fn the_plugin_withstands_damaged_keys() {
    run("bad-input.mjs", &["^keys"]);
}

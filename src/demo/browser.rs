//! The browser plugin as one of the demonstration's provers.
//!
//! A script drives a headless Chromium with the built extension
//! (`plugin/extension/e2e/prover.mjs`) and says what happens, a line of JSON
//! each. Its standard input is how it is held: it leaves the chain, closes
//! Chromium and ends when that closes, also when this process is killed. So
//! no Chromium outlives the demonstration.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use serde::Deserialize;
use tokio::{
    sync::mpsc::{self, Receiver},
    time::timeout,
};

/// Time for Chromium to start and for the wallet to be made.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Time for the script to leave in order.
const STOP_LIMIT: Duration = Duration::from_secs(45);
/// Names that Chromium goes by.
const CHROMIUM: [&str; 3] = ["chromium", "chromium-browser", "chrome"];

/// Why there is no browser among the provers; the operator is at fault, unless said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// The extension is not built.
    #[error("the browser plugin is not built: run scripts/plugin in the project's folder, and the demonstration there")]
    NotBuilt,
    /// A program that it takes is not installed.
    #[error("{0} is not on the PATH: the browser among the provers needs it")]
    Missing(&'static str),
    /// The script does not start.
    #[error("node does not start: {0}")]
    Spawn(#[source] std::io::Error),
    /// It ended or said something else than it should; perhaps a bug of the plugin.
    #[error("the browser failed: {0}")]
    Failed(String),
    /// Nothing was heard of it in time.
    #[error("the browser did not start within {} s", START_LIMIT.as_secs())]
    Late,
}

/// What the script says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Said {
    /// The wallet is made and Chromium proves for this address.
    Started {
        /// The prover's address.
        address: Address,
        /// Chromium's name and version.
        chromium: String,
    },
    /// What the popup shows has changed.
    State {
        /// In its words.
        text: String,
    },
    /// It has left.
    Stopped {},
    /// It cannot go on.
    Failed {
        /// Why.
        what: String,
    },
}

/// Where everything is that the browser needs.
#[derive(Clone, Debug)]
pub(super) struct Plugin {
    script: PathBuf,
}

impl Plugin {
    /// Looks in the current folder and in those above it and above this program.
    ///
    /// # Errors
    /// [`BrowserError::NotBuilt`], [`BrowserError::Missing`].
    pub(super) fn find() -> Result<Self, BrowserError> {
        let places = [std::env::current_dir(), std::env::current_exe()];
        let folders: Vec<PathBuf> =
            places.iter().flatten().flat_map(|place| place.ancestors().map(Path::to_owned)).collect();
        let is_built = |root: &&PathBuf| {
            ["plugin/dist/extension/manifest.json", "plugin/extension/node_modules/playwright-core/package.json"]
                .iter()
                .all(|file| root.join(file).is_file())
        };
        let root = folders.iter().find(is_built).ok_or(BrowserError::NotBuilt)?;
        if !is_on_path("node") {
            return Err(BrowserError::Missing("node"));
        }
        if std::env::var_os("CROWDFOLD_CHROMIUM").is_none() && !CHROMIUM.into_iter().any(is_on_path) {
            return Err(BrowserError::Missing("chromium"));
        }
        Ok(Self { script: root.join("plugin/extension/e2e/prover.mjs") })
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A running Chromium with the extension.
pub(super) struct Browser {
    child: Child,
    said: Receiver<String>,
    /// What it proves for.
    pub(super) address: Address,
    /// Chromium's name and version.
    pub(super) chromium: String,
    /// The user's data of this Chromium; deleted with it.
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts Chromium with a fresh profile and makes a wallet; `on_state` hears what the popup shows.
    ///
    /// # Errors
    /// [`BrowserError`].
    pub(super) async fn start(plugin: &Plugin, node_url: &str) -> Result<Self, BrowserError> {
        let profile = tempfile::Builder::new().prefix("crowdfold-browser-").tempdir().map_err(BrowserError::Spawn)?;
        let mut child = Command::new("node")
            .arg(&plugin.script)
            .arg(node_url)
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BrowserError::Spawn)?;
        let (sender, mut said) = mpsc::channel(256);
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                // Ends with the script, or when nobody listens any more.
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.blocking_send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let first = timeout(START_LIMIT, said.recv()).await;
        let started = match first {
            Err(_) => Err(BrowserError::Late),
            Ok(None) => Err(BrowserError::Failed("it ended at once".to_owned())),
            Ok(Some(line)) => match parse(&line)? {
                Said::Started { address, chromium } => Ok((address, chromium)),
                Said::Failed { what } => Err(BrowserError::Failed(what)),
                Said::State { .. } | Said::Stopped {} => Err(BrowserError::Failed(line)),
            },
        };
        match started {
            Ok((address, chromium)) => Ok(Self { child, said, address, chromium, _profile: profile }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    /// What the popup showed since the last call.
    ///
    /// # Errors
    /// [`BrowserError::Failed`].
    pub(super) fn states(&mut self) -> Result<Vec<String>, BrowserError> {
        let mut states = Vec::new();
        while let Ok(line) = self.said.try_recv() {
            match parse(&line)? {
                Said::State { text } => states.push(text),
                Said::Failed { what } => return Err(BrowserError::Failed(what)),
                Said::Started { .. } | Said::Stopped {} => {}
            }
        }
        Ok(states)
    }

    /// Has it leave the chain and end; waits for that.
    ///
    /// # Errors
    /// The thread that waits; a bug.
    pub(super) async fn stop(mut self) -> Result<(), tokio::task::JoinError> {
        tokio::task::spawn_blocking(move || end(&mut self.child)).await
    }
}

fn parse(line: &str) -> Result<Said, BrowserError> {
    serde_json::from_str(line).map_err(|_| BrowserError::Failed(line.to_owned()))
}

/// Closes its standard input, waits for its end, and kills it when that does not come.
fn end(child: &mut Child) {
    drop(child.stdin.take());
    let started = Instant::now();
    while started.elapsed() < STOP_LIMIT {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(100)),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    // It may have ended in this moment.
    child.kill().and_then(|()| child.wait().map(|_| ())).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_script_says() {
        let started =
            r#"{"type":"started","address":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8","chromium":"Chromium 1"}"#;
        assert!(matches!(parse(started), Ok(Said::Started { chromium, .. }) if chromium == "Chromium 1"));
        assert!(matches!(parse(r#"{"type":"state","text":"Proving"}"#), Ok(Said::State { text }) if text == "Proving"));
        let stopped = r#"{"type":"stopped","holding":"-1","earned":null}"#;
        assert!(matches!(parse(stopped), Ok(Said::Stopped {})));
        assert!(matches!(parse("Segmentation fault"), Err(BrowserError::Failed(line)) if line == "Segmentation fault"));
    }
}

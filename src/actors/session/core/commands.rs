//! What the node tells the session.

use crowdfold_events::wire::NodeFrame;

use super::{CLOSED_TASKS_KEPT, Command, Link, SessionCore};
use crate::actors::session::keep_recent;

impl SessionCore {
    /// Handles something from the node. Works with and without a connection.
    pub fn command(&mut self, now_ms: u64, command: Command) {
        if self.link == Link::Ended {
            return;
        }
        match command {
            Command::Offer(offer) => {
                self.closed.retain(|task| *task != offer.task);
                let before = self.offers.insert(offer.task, offer.clone());
                // An offer of the same attempt only renews its deadline: what is being uploaded still counts.
                if before.is_none_or(|before| before.attempt != offer.attempt) {
                    self.uploads.close(offer.task);
                }
                self.send(NodeFrame::TaskOffer { offer });
            }
            Command::Close { task, reason } => {
                let Some(offer) = self.offers.remove(&task) else { return };
                self.uploads.close(task);
                if self.closed.len() == CLOSED_TASKS_KEPT {
                    self.closed.pop_front();
                }
                self.closed.push_back(task);
                self.send(NodeFrame::TaskClosed { task, attempt: offer.attempt, reason });
            }
            Command::Notify { height, notice } => {
                self.standing = notice.standing().unwrap_or(self.standing);
                keep_recent(&mut self.recent, height, &notice);
                self.send(NodeFrame::Notice { height, notice });
            }
            Command::Account(account) => {
                self.account = account;
                self.send(NodeFrame::Account { account });
            }
            Command::Status(status) => {
                self.status = status;
                if std::mem::take(&mut self.is_account_lost) {
                    self.send(NodeFrame::Account { account: self.account });
                }
                self.send(NodeFrame::Status { status });
            }
            Command::Submitted { request, result } => {
                if let Some(digest) = self.pending.remove(&request) {
                    self.answer(digest, result);
                }
            }
            Command::ProofChecked { task, proof_hash, refused } => {
                self.uploads.checked(now_ms, task, proof_hash, refused);
                self.send(NodeFrame::ProofAnswer { task, proof_hash, refused });
            }
            Command::Fetched { digest, offset, result } => {
                self.fetches = self.fetches.saturating_sub(1);
                self.send(match result {
                    Ok((total, bytes)) => NodeFrame::DataChunk { digest, offset, total, bytes },
                    Err(code) => NodeFrame::DataRefused { digest, offset, code },
                });
            }
            Command::End(code) => self.violated(code),
        }
    }
}

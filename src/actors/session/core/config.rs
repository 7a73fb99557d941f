//! Who the node is and what its sessions allow.

use crowdfold_events::{B256, Signer, SigningDomain, wire::SessionLimits};

/// Who the node is and which chain it serves.
#[derive(Clone, Debug)]
pub struct NodeIdentity {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Hash of the genesis.
    pub genesis_hash: B256,
    /// Digest of the proof system's parameters.
    pub params_digest: B256,
    /// Signing domain of the two above.
    pub domain: SigningDomain,
    /// The key that signs receipts.
    pub signer: Signer,
}

/// What a session allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// What the plugin is told.
    pub limits: SessionLimits,
    /// Frames that may come at once.
    pub burst_frames: u32,
    /// Bytes per second that are always taken.
    pub bytes_per_second: u64,
    /// Bytes that may come at once; at least one frame.
    pub burst_bytes: u64,
    /// System messages per second that are always answered: an answer costs the node a signature.
    pub messages_per_second: u64,
    /// System messages that may come at once; at least what a plugin may have to send again.
    pub burst_messages: u64,
    /// System messages that may wait for the node's answer.
    pub max_pending_messages: usize,
    /// Data requests that may wait for the node's answer.
    pub max_pending_fetches: usize,
    /// Bytes of data per second that are always given.
    pub data_bytes_per_second: u64,
    /// Bytes of data that are given at once; at least a commitment key.
    pub data_burst_bytes: u64,
    /// Proofs that may be unfinished or unverified.
    pub max_unfinished_uploads: usize,
    /// Pause after a first invalid proof, in milliseconds; doubles with each.
    pub invalid_proof_pause_ms: u64,
    /// Longest delay of an acknowledgement, in milliseconds.
    pub ack_delay_ms: u64,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            limits: SessionLimits {
                max_frame_bytes: 512 << 10,
                max_proof_bytes: 4 << 20,
                max_unacknowledged: 256,
                frames_per_second: 50,
                silence_ms: 30_000,
                min_heartbeat_ms: 1_000,
                heartbeat_ttl_blocks: 120,
                resume_ms: 120_000,
            },
            burst_frames: 200,
            bytes_per_second: 2 << 20,
            burst_bytes: 8 << 20,
            messages_per_second: 8,
            burst_messages: 256,
            max_pending_messages: 16,
            max_pending_fetches: 4,
            data_bytes_per_second: 2 << 20,
            data_burst_bytes: 24 << 20,
            max_unfinished_uploads: 4,
            invalid_proof_pause_ms: 2_000,
            ack_delay_ms: 250,
        }
    }
}

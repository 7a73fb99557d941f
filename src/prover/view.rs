//! What the core knows, for display.

use crowdfold_events::{Address, B256, Height, TaskId, Zkpow, event::TaskKind, wire::Standing};

/// Everything that a user may want to see, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreView {
    /// The connection.
    pub link: LinkView,
    /// Connections that failed since the last that worked.
    pub failures: u32,
    /// How the chain sees the plugin, as far as is known.
    pub standing: Standing,
    /// The chain; `None` before the first greeting.
    pub chain: Option<ChainView>,
    /// The registration, if one is needed.
    pub registration: RegistrationView,
    /// Whether the user has paused it.
    pub is_paused: bool,
    /// Whether the user has stopped it.
    pub is_stopping: bool,
    /// It stays out of the active set because its time is taken.
    pub is_full: bool,
    /// Open tasks, nearest deadline first.
    pub jobs: Vec<JobView>,
    /// The piece of data that is being fetched.
    pub fetch: Option<FetchView>,
    /// Measured (or configured) milliseconds per segment.
    pub ms_per_segment: Option<u64>,
}

/// How the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkView {
    /// It is opened again in so many milliseconds.
    Waiting {
        /// Milliseconds.
        retry_in_ms: u64,
    },
    /// It is being opened.
    Connecting,
    /// It is open; greeting or login are under way.
    LoggingIn,
    /// Logged in.
    Online,
    /// It ended for good.
    Over,
}

/// The chain that the node serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainView {
    /// EIP-155 chain id.
    pub id: u64,
    /// Hash of the genesis.
    pub genesis_hash: B256,
    /// Digest of the proof system's parameters.
    pub params_digest: B256,
    /// The key that signs the node's receipts.
    pub node: Address,
    /// Newest block; 0 before the login.
    pub height: Height,
    /// Target time between blocks, in milliseconds; 0 before the login.
    pub block_time_ms: u32,
}

/// How far a registration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationView {
    /// None is under way.
    Idle,
    /// A hashcash is being looked for.
    Solving,
    /// The message is on its way.
    Sent,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobStage {
    /// The package is on its way.
    Fetching,
    /// Waits for its turn.
    Queued,
    /// Being proven.
    Running,
    /// Proven; to be uploaded (again).
    Proven,
    /// Uploaded; the node verifies.
    Checking,
    /// The node has verified it; to be submitted (again).
    Verified,
    /// The submission is on its way into a block.
    Submitted,
    /// On its way back.
    HandingBack,
}

/// An open task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// The task.
    pub task: TaskId,
    /// Which attempt at the task this is, from 1.
    pub attempt: u32,
    /// What it is about.
    pub kind: TaskKind,
    /// Proof segments.
    pub segments: u32,
    /// What a proof is paid.
    pub bounty: Zkpow,
    /// Block of the assignment.
    pub assigned: Height,
    /// Last block for the proof.
    pub deadline: Height,
    /// How far it is.
    pub stage: JobStage,
    /// Milliseconds since that stage began.
    pub stage_ms: u64,
    /// Part proven, in thousandths.
    pub permille: u16,
    /// Expected milliseconds until it is proven, those before it included;
    /// 0 once it is, `None` when the speed is unknown.
    pub left_ms: Option<u64>,
    /// Expected milliseconds until the deadline; `None` before the first status.
    pub deadline_ms: Option<u64>,
    /// Keccak-256 of the proof, once there is one.
    pub proof_hash: Option<B256>,
    /// Times that the node refused it for a passing reason.
    pub retries: u32,
}

/// Data on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchView {
    /// Keccak-256 of the whole.
    pub digest: B256,
    /// Bytes that have come.
    pub have: u64,
    /// Bytes of the whole; `None` before the first piece.
    pub total: Option<u64>,
}

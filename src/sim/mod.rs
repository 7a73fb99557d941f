//! Deterministic simulation: the live cores under virtual time, from one seed.
//!
//! ```text
//! SimOptions ─► World (validators, provers, users, network, disks, faults) ─► SimReport
//!                 └─ every committed block ─► checkers ─► the first violation ends the world
//! ```
//!
//! A world runs exactly the code of a node: [`crowdfold_kernel::Kernel`], and the
//! cores of ledger, sequencer, assigner, gate, submitter, sessions and provers.
//! What is simulated is what they are sans: clock, network, disk, machines, and
//! the proofs, which are declared ([`crate::proofs::SimulatedChecker`]). Equal
//! options give byte-identical journals. It does not establish anything about
//! real proofs, about actors and sockets, or about an L1.

pub mod adversaries;
pub mod checkers;
pub mod consensus;
pub mod disk;
pub mod faults;
pub mod from;
pub mod judge;
pub mod memo;
pub mod network;
pub mod observe;
pub mod options;
pub mod people;
pub mod prover;
pub mod queue;
pub mod random;
pub mod report;
pub mod shrink;
pub mod users;
pub mod world;

use std::time::Instant;

pub use self::{
    faults::{FaultKind, FaultLevel},
    options::SimOptions,
    report::SimReport,
    world::{World, WorldError},
};

/// Runs a world to its end, or to the first violation, which the report names.
///
/// # Errors
/// The world cannot begin.
pub fn run(options: &SimOptions) -> Result<SimReport, WorldError> {
    Ok(run_world(options)?.1)
}

/// Runs a world and keeps it, for its journal.
///
/// # Errors
/// The world cannot begin.
pub fn run_world(options: &SimOptions) -> Result<(World, SimReport), WorldError> {
    let (started, core) = (Instant::now(), report::thread_time());
    // Held for as long as the world runs.
    let _remembering = crowdfold_events::known::Remembering::begin();
    let mut world = World::new(options)?;
    world.run();
    let report = SimReport::new(
        options,
        &world,
        started.elapsed(),
        report::thread_time().zip(core).map(|(now, then)| now - then),
    );
    Ok((world, report))
}

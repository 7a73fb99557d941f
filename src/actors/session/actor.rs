//! The actor of one plugin's session: moves bytes and messages for [`SessionCore`].

use std::time::Duration;

use actix::prelude::*;
use crowdfold_events::{Address, B256, wire::Code};
use rand::RngCore;
use tokio::time::Instant;

use super::{
    Command, Effect, Output, SessionCore, SessionDirectory, Urgency,
    budget::{DataPermit, SessionBudget},
    messages::{
        Attach, Connection, Ended, FetchData, Heard, Incoming, Order, Outgoing, ProofReceived, Services,
        SubmitSystemMessage, TaskProgress,
    },
};

/// How long the node may take to answer a request of a session.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(30);

/// One plugin's session. It lives from the first login until the plugin has
/// been away for too long, leaves or breaks the protocol.
pub struct PluginSession {
    plugin: Address,
    core: SessionCore,
    connection: Option<Connection>,
    services: Services,
    directory: Addr<SessionDirectory>,
    started: Instant,
    timer: Option<SpawnHandle>,
    budget: SessionBudget,
    /// Of the piece of data that is being answered.
    permit: Option<DataPermit>,
}

impl PluginSession {
    pub(super) fn new(
        plugin: Address,
        core: SessionCore,
        services: Services,
        directory: Addr<SessionDirectory>,
        started: Instant,
        budget: SessionBudget,
    ) -> Self {
        Self { plugin, core, connection: None, services, directory, started, timer: None, budget, permit: None }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Does what the core asks for and sets the next timer.
    fn settle(&mut self, ctx: &mut Context<Self>) {
        loop {
            let outputs = self.core.outputs();
            if outputs.is_empty() {
                break;
            }
            for output in outputs {
                match output {
                    Output::Send { bytes, urgency } => self.send(bytes, urgency),
                    Output::Hangup => self.hang_up(),
                    Output::Effect(effect) => self.effect(effect, ctx),
                }
            }
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if let Some(at) = self.core.next_wakeup_ms() {
            let delay = Duration::from_millis(at.saturating_sub(self.now_ms()).max(1));
            self.timer = Some(ctx.run_later(delay, |actor, ctx| {
                actor.core.tick(actor.now_ms());
                actor.settle(ctx);
            }));
        }
    }

    fn send(&mut self, bytes: Vec<u8>, urgency: Urgency) {
        let Some(connection) = &self.connection else { return };
        let frame = match (urgency, self.permit.take()) {
            (Urgency::Data, Some(permit)) => Outgoing::Data(bytes, permit),
            (_, permit) => {
                self.permit = permit;
                Outgoing::Frame(bytes)
            }
        };
        match (connection.sender.try_send(frame), urgency) {
            (Ok(()), _) => {}
            (Err(_), Urgency::Droppable | Urgency::Data) => self.core.dropped(),
            (Err(_), Urgency::Must) => {
                // The reliable frame is kept by the core: the plugin may resume.
                self.connection = None;
                self.core.detach(self.now_ms());
            }
        }
    }

    fn hang_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            // A full or closed queue ends the connection as well: its sender is dropped here.
            connection.sender.try_send(Outgoing::Close).unwrap_or_default();
        }
    }

    fn effect(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        let plugin = self.plugin;
        match effect {
            Effect::Submit { request, digest, message } => {
                let asked = self.services.submit.send(SubmitSystemMessage { plugin, digest, message });
                self.ask(ctx, asked, None, move |answer| {
                    let result = match answer {
                        Ok(result) => result.map_err(|refusal| (refusal.code, refusal.reason)),
                        Err(code) => Err((code, 0)),
                    };
                    Command::Submitted { request, result }
                });
            }
            Effect::CheckProof { task, proof_hash, bytes } => {
                let asked = self.services.proofs.send(ProofReceived { plugin, task, proof_hash, bytes: bytes.into() });
                self.ask(ctx, asked, None, move |answer| {
                    let refused = answer.and_then(|checked| checked).err();
                    Command::ProofChecked { task, proof_hash, refused }
                });
            }
            Effect::Fetch { digest, offset, length } => {
                let Some(permit) = self.budget.take() else {
                    let result = Err(Code::Busy);
                    return self.core.command(self.now_ms(), Command::Fetched { digest, offset, result });
                };
                let asked = self.services.data.send(FetchData { digest, offset, length });
                self.ask(ctx, asked, Some(permit), move |answer| {
                    let result = answer.and_then(|piece| piece).map(|piece| (piece.total, piece.bytes));
                    Command::Fetched { digest, offset, result }
                });
            }
            Effect::Progress { task, permille } => {
                if self.services.progress.try_send(TaskProgress { plugin, task, permille }).is_err() {
                    tracing::debug!(%plugin, %task, "progress dropped: nobody takes it");
                }
            }
            Effect::Ended(code) => {
                self.hang_up();
                self.directory.do_send(Ended { plugin, session: ctx.address(), code });
                ctx.stop();
            }
        }
    }

    /// Sends a request to the node and its answer, or that there is none, to the core.
    fn ask<M>(
        &self,
        ctx: &mut Context<Self>,
        asked: RecipientRequest<M>,
        permit: Option<DataPermit>,
        answer: impl FnOnce(Result<M::Result, Code>) -> Command + 'static,
    ) where
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let done = asked.timeout(SERVICE_TIMEOUT).into_actor(self).map(move |result, actor, ctx| {
            let result = result.map_err(|e| match e {
                MailboxError::Timeout => Code::Busy,
                MailboxError::Closed => Code::Unavailable,
            });
            actor.permit = permit;
            actor.core.command(actor.now_ms(), answer(result));
            actor.settle(ctx);
            // A refusal, or nobody is there: the piece goes nowhere.
            actor.permit = None;
        });
        ctx.spawn(done);
    }
}

impl Actor for PluginSession {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(256);
        self.settle(ctx);
    }
}

impl Handler<Attach> for PluginSession {
    type Result = ();

    fn handle(&mut self, Attach { resume, connection }: Attach, ctx: &mut Self::Context) {
        let now = self.now_ms();
        if self.connection.is_some() {
            self.core.supersede(now);
            self.settle(ctx);
        }
        self.connection = Some(connection);
        let mut fresh = B256::ZERO;
        rand::thread_rng().fill_bytes(fresh.as_mut_slice());
        self.core.attach(now, fresh, resume);
        self.settle(ctx);
    }
}

impl Handler<Incoming> for PluginSession {
    type Result = ();

    fn handle(&mut self, Incoming { connection, heard }: Incoming, ctx: &mut Self::Context) {
        if self.connection.as_ref().is_none_or(|own| own.id != connection) {
            return;
        }
        let now = self.now_ms();
        match heard {
            Heard::Frame(bytes) => self.core.receive(now, &bytes),
            Heard::Pong(_) => self.core.heard(now),
            Heard::NotBinary => self.core.command(now, Command::End(Code::NotBinary)),
            Heard::TooLong => self.core.command(now, Command::End(Code::FrameTooLong)),
            Heard::Gone => {
                self.connection = None;
                self.core.detach(now);
            }
        }
        self.settle(ctx);
    }
}

impl Handler<Order> for PluginSession {
    type Result = ();

    fn handle(&mut self, Order(command): Order, ctx: &mut Self::Context) {
        self.core.command(self.now_ms(), command);
        self.settle(ctx);
    }
}

//! The wrapping for JavaScript.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, PoisonError},
};

use crowdfold_events::{Height, TaskId};
use crowdfold_prover::ProverCore;
use crowdfold_zk::item::work::WorkProgress;
use js_sys::{Array, Error, Function, JSON, Reflect, Uint8Array};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::{core, describe, error::DoorError, pool, prover, show};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(text: &str);
}

/// Runs once in every thread that loads the module.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|info| {
        let words = info.to_string();
        console_error(&words);
        pool::died(words);
    }));
}

fn throw(error: DoorError) -> JsValue {
    let thrown = Error::new(&error.to_string());
    set(&thrown, "code", &error.code().into());
    set(&thrown, "detail", &error.to_string().into());
    thrown.into()
}

fn set(object: &JsValue, name: &str, value: &JsValue) {
    // Setting a property of a plain object does not fail.
    Reflect::set(object, &name.into(), value).unwrap_or_default();
}

fn object(value: &serde_json::Value) -> JsValue {
    JSON::parse(&value.to_string()).unwrap_or(JsValue::NULL)
}

/// Keccak-256 as 0x hexadecimal.
#[wasm_bindgen]
#[must_use]
pub fn keccak256(bytes: &[u8]) -> String {
    alloy_primitives::keccak256(bytes).to_string()
}

/// What the bytes of a genesis say: `{hash, chain_id, params_digest, key}`;
/// throws `node-fault`.
#[wasm_bindgen(unchecked_return_type = "object")]
pub fn read_genesis(bytes: &[u8]) -> Result<JsValue, JsValue> {
    Ok(object(&core::read_genesis(bytes).map_err(throw)?))
}

/// The EIP-55 address of a secret key of 32 bytes; throws `bad-key`.
#[wasm_bindgen]
pub fn new_address(secret: &[u8]) -> Result<String, JsValue> {
    Ok(core::signer(secret).map_err(throw)?.address().to_string())
}

/// Threads that have not found their worker yet.
static WAITING: (Mutex<VecDeque<rayon::ThreadBuilder>>, Condvar) = (Mutex::new(VecDeque::new()), Condvar::new());

/// Makes the pool, of this many threads. Blocks until as many workers have
/// called `run_pool_thread`, so they must have loaded the module before:
/// `pool.ts` does all of it. Throws `no-threads` the second time.
#[wasm_bindgen]
pub fn build_pool(threads: usize) -> Result<(), JsValue> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .spawn_handler(|thread| {
            WAITING.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(thread);
            WAITING.1.notify_one();
            Ok(())
        })
        .build_global()
        .map_err(|error| throw(DoorError::Pool(error.to_string())))
}

/// Waits for `build_pool` and runs one of its threads, for as long as the pool lives.
#[wasm_bindgen]
pub fn run_pool_thread() {
    let mut waiting = WAITING.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(thread) = waiting.pop_front() {
            drop(waiting);
            return thread.run();
        }
        waiting = WAITING.1.wait(waiting).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Byte offset in the memory of a 32-bit integer: a worker whose thread is
/// trapped stores 1 there, or whoever waits for the thread waits for ever.
#[wasm_bindgen]
#[must_use]
pub fn death_flag() -> usize {
    std::ptr::from_ref(pool::death_flag()).addr()
}

/// Makes proofs. Needs the pool, and a thread that may block (a worker's).
#[wasm_bindgen]
pub struct Prover {
    inner: prover::Prover,
}

#[wasm_bindgen]
impl Prover {
    /// A prover with the commitment key of these bytes, for the chain with these
    /// parameters (0x hexadecimal). Throws `wrong-keys`, `too-old`, `died`.
    #[wasm_bindgen(constructor)]
    pub fn new(key: Vec<u8>, params_digest: &str) -> Result<Prover, JsValue> {
        Ok(Self { inner: prover::Prover::new(key, params_digest).map_err(throw)? })
    }

    /// The proof that a package asks for. `on_progress(stage, permille)` is called
    /// several times a second; `false` cancels before the next stage. Throws
    /// `cancelled`, `bad-package`, `failed`, `died`.
    pub fn prove(
        &self,
        package: Vec<u8>,
        task: u64,
        worker: &str,
        #[wasm_bindgen(unchecked_param_type = "(stage: string, permille: number) => boolean")] on_progress: &Function,
    ) -> Result<Vec<u8>, JsValue> {
        let mut watch = |progress: WorkProgress| {
            let answer = on_progress.call2(&JsValue::NULL, &progress.name().into(), &progress.permille.into());
            // A callback that throws has lost interest.
            answer.is_ok_and(|answer| answer != JsValue::FALSE)
        };
        self.inner.prove(package, task, worker, &mut watch).map_err(throw)
    }
}

/// The first of `steps` nonces from `start` on that shows a registration's work.
#[wasm_bindgen]
pub fn solve_registration(
    chain_id: u64,
    plugin: &str,
    block_hash: &str,
    expected: u64,
    start: u64,
    steps: u64,
) -> Result<Option<u64>, JsValue> {
    prover::solve_registration(chain_id, plugin, block_hash, expected, start, steps).map_err(throw)
}

/// The protocol's state machine; see `crowdfold_prover::ProverCore`.
#[wasm_bindgen]
pub struct Core {
    inner: ProverCore,
}

fn ms(now: f64) -> u64 {
    // Saturates: a clock before 1970 reads as 1970.
    now as u64
}

#[wasm_bindgen]
#[allow(missing_docs)] // Documented at `ProverCore`.
impl Core {
    /// Throws `bad-settings`, `bad-key`.
    #[wasm_bindgen(constructor)]
    pub fn new(config_json: &str, secret: &[u8], now_ms: f64) -> Result<Core, JsValue> {
        Ok(Self { inner: core::prover_core(config_json, secret, ms(now_ms)).map_err(throw)? })
    }

    pub fn connected(&mut self, now: f64) {
        self.inner.connected(ms(now));
    }

    pub fn disconnected(&mut self, now: f64) {
        self.inner.disconnected(ms(now));
    }

    pub fn heard(&mut self, now: f64) {
        self.inner.heard(ms(now));
    }

    pub fn tick(&mut self, now: f64) {
        self.inner.tick(ms(now));
    }

    pub fn receive(&mut self, now: f64, bytes: &[u8]) {
        self.inner.receive(ms(now), bytes);
    }

    /// Throws `bad-settings` for a digest that is none.
    pub fn fetch(&mut self, now: f64, digest: &str) -> Result<(), JsValue> {
        self.inner.fetch(ms(now), core::hash("digest", digest).map_err(throw)?);
        Ok(())
    }

    pub fn progress(&mut self, now: f64, task: u64, permille: u16) {
        self.inner.progress(ms(now), TaskId(task), permille);
    }

    pub fn finished(&mut self, now: f64, task: u64, attempt: u32, proof: Vec<u8>) {
        self.inner.finished(ms(now), TaskId(task), attempt, Ok(proof));
    }

    /// `kind`: cancelled, bad-package or failed.
    pub fn failed(&mut self, now: f64, task: u64, attempt: u32, kind: &str, detail: String) {
        self.inner.finished(ms(now), TaskId(task), attempt, Err(describe::parse_work_error(kind, detail)));
    }

    pub fn registration_solved(&mut self, now: f64, height: u64, nonce: u64) {
        self.inner.registration_solved(ms(now), Height(height), nonce);
    }

    pub fn connect_now(&mut self, now: f64) {
        self.inner.connect_now(ms(now));
    }

    pub fn pause(&mut self, now: f64) {
        self.inner.pause(ms(now));
    }

    pub fn resume(&mut self, now: f64) {
        self.inner.resume(ms(now));
    }

    pub fn stop(&mut self, now: f64) {
        self.inner.stop(ms(now));
    }

    #[must_use]
    pub fn next_wakeup_ms(&self) -> Option<f64> {
        self.inner.next_wakeup_ms().map(|at| at as f64)
    }

    /// What to do, in this order.
    #[wasm_bindgen(unchecked_return_type = "object[]")]
    pub fn actions(&mut self) -> Array {
        let describe = |action| {
            let (value, bytes) = describe::action(action);
            let described = object(&value);
            if let Some((name, bytes)) = bytes {
                set(&described, name, &Uint8Array::from(bytes.as_slice()));
            }
            described
        };
        self.inner.actions().into_iter().map(describe).collect()
    }

    /// Everything that a user may want to see.
    #[wasm_bindgen(unchecked_return_type = "object")]
    #[must_use]
    pub fn view(&self, now: f64) -> JsValue {
        object(&show::view(&self.inner.view(ms(now))))
    }
}

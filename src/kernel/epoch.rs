//! Epochs: the issuance allowance, and the retarget of the registration hashcash.

use crowdfold_events::{Event, Zkpow};

use crate::{
    planted::{self, Bug},
    run::Run,
    state::State,
    vm,
};

impl State {
    /// What bounties may take from issuance until the next epoch.
    pub(crate) fn epoch_allowance(&self) -> Zkpow {
        let promised = self.market.issuance_due.saturating_add(self.market.issuance_held);
        let have = self.tree.balance(&vm::ISSUANCE).saturating_sub(promised);
        let allowance = self.params().epoch.issuance_allowance.0;
        if planted::is(Bug::EpochAllowanceDouble) {
            return Zkpow(allowance.0 * 2);
        }
        allowance.min(Zkpow(have))
    }

    /// Expected hashes of a registration: follows the last epoch's registrations, by at most a factor of four.
    fn retargeted_work(&self) -> u64 {
        let params = &self.params().plugins;
        let wanted = u128::from(params.registrations_per_epoch);
        let now = u128::from(self.market.registration_work);
        let next = (now * u128::from(self.market.registrations) / wanted).clamp(now / 4, now * 4);
        u64::try_from(next).unwrap_or(u64::MAX).clamp(params.min_registration_work, 1 << 60)
    }
}

impl Run<'_> {
    /// Starts an epoch every `epoch.length` blocks.
    pub(crate) fn start_epoch(&mut self) {
        let epoch = self.state.chain.height.0 / self.state.params().epoch.length;
        if epoch == self.state.market.epoch {
            return;
        }
        let issuance_allowance = self.state.epoch_allowance();
        let registration_work = self.state.retargeted_work();
        self.emit(Event::EpochStarted { epoch, issuance_allowance, registration_work });
    }
}

//! Crowdfold.

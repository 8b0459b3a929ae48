//! LibTorch's generator. It is global, and its state is everybody's: whoever needs its numbers seeds it and has it alone.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The generator, kept from others until this is dropped.
#[derive(Debug)]
pub struct Turn {
    _alone: MutexGuard<'static, ()>,
}

/// `torch.manual_seed(seed)`, once nobody else needs the generator.
#[expect(clippy::disallowed_methods, reason = "the seed is an argument, and the lock keeps the generator ours")]
pub fn seeded(seed: i64) -> Turn {
    static GENERATOR: Mutex<()> = Mutex::new(());
    let alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    Turn { _alone: alone }
}

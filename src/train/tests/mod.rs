//! Tests of the trainer as a whole: against PyTorch (`reference`), on small trials (`trials`, `checkpoints`), and by what it
//! must and must not learn (`sanity`).

mod batches;
mod case;
mod checkpoints;
mod folded;
mod formula;
mod images;
mod reference;
mod sanity;
mod transfer;
mod trials;

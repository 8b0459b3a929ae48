//! Tests of the trainer as a whole: against PyTorch (`reference`) and on small trials (`trials`).

mod batches;
mod folded;
mod formula;
mod images;
mod reference;
mod transfer;
mod trials;

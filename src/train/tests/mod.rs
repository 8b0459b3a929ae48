//! Tests of the trainer as a whole: against PyTorch (`reference`) and on small trials (`trials`).

mod formula;
mod reference;
mod trials;

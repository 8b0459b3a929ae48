//! Tests of the trainer as a whole: against PyTorch (`reference`), on small trials (`trials`, `checkpoints`), and by what it
//! must and must not learn (`sanity`).

mod batches;
mod case;
mod checkpoints;
mod files;
mod hidden;
mod images;
mod made;
mod packages;
mod reference;
mod sanity;
mod speed;
mod transfer;
mod trials;

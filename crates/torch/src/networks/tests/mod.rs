//! Networks against torchvision's: scores by formula (`resnet`, which also serves the trainer's tests), folding (`folded`),
//! each row of the
//! table against what its constructor builds (`rows`), and networks from files (`script`).

mod folded;
pub mod formula;
mod rows;
pub mod script;

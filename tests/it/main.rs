//! Everything that crosses modules, as one binary.
#![allow(clippy::print_stdout, reason = "long tests say what they tried")]

mod audit;
mod browser;
mod compare;
mod design;
mod doses;

mod edits;
mod experiments;
mod faults;
mod gates;
mod hyperqueue;
mod interruption;
mod jobs;
mod kernels;
mod lab;
mod large;
mod looks;
mod misuse;
mod mixing;
mod networks;
mod places;
mod quality;
mod quickstart;
mod record;
mod redraw;
mod replay;
mod report;
mod scale;
mod screens;
mod show;
mod slurm;
mod soak;
mod sources;

mod study;
mod transfer;
mod tuning;

//! `report.html`: the whole report as one file that needs no network. It reads without a program in it; with one, curves can
//! be asked, tables sorted and pictures enlarged.

mod blocks;
mod data;
mod gallery;
mod page;

pub(super) use blocks::{table, terms};
pub use page::Html;
pub(super) use page::STYLE;

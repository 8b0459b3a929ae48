mod report;
mod stats;

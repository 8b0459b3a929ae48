//! Fuzzing for the tests of every crate that reads files: changed bytes, and as many tries as a test or the environment asks for.

use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Seconds that each fuzzed property is tried for; absent: as many times as its test says.
const SECONDS_VARIABLE: &str = "AUGTRIAL_FUZZ_SECS";

/// Tries a property of `strategy` at least `cases` times, and for as long as `AUGTRIAL_FUZZ_SECS` says. States how often.
///
/// # Panics
/// If the property does not hold, with the smallest input that was found.
pub fn fuzz<S: Strategy>(
    name: &str,
    cases: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let seconds = std::env::var(SECONDS_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (begin, mut executions) = (Instant::now(), 0);
    loop {
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        TestRunner::new(config).run(strategy, &property).unwrap_or_else(|error| panic!("{name}: {error}"));
        executions += u64::from(cases);
        if begin.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
    #[expect(clippy::print_stdout, reason = "says how often it tried, in the output of a test")]
    {
        println!("{name}: {executions} executions in {:.1} s", begin.elapsed().as_secs_f64());
    }
}

/// One change of a file: at a place, given as a share of its length, something is written, removed or put in.
#[derive(Clone, Debug)]
pub enum Mutation {
    Write(f64, u8),
    Flip(f64, u8),
    Remove(f64, usize),
    Insert(f64, Vec<u8>),
    Repeat(f64, usize),
    Cut(f64),
}

impl Mutation {
    /// Any one.
    pub fn any() -> impl Strategy<Value = Self> {
        use proptest::prelude::{any, prop};
        let place = 0.0..1.0_f64;
        proptest::prop_oneof![
            4 => (place.clone(), any::<u8>()).prop_map(|(at, byte)| Self::Write(at, byte)),
            4 => (place.clone(), 0..8_u8).prop_map(|(at, bit)| Self::Flip(at, bit)),
            2 => (place.clone(), 1..200_usize).prop_map(|(at, count)| Self::Remove(at, count)),
            2 => (place.clone(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, new)| Self::Insert(at, new)),
            1 => (place.clone(), 1..200_usize).prop_map(|(at, count)| Self::Repeat(at, count)),
            1 => place.prop_map(Self::Cut),
        ]
    }

    /// The bytes after all `changes`, one after the other.
    #[must_use]
    pub fn all(changes: &[Self], bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for change in changes {
            change.apply(&mut bytes);
        }
        bytes
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |share: f64| ((bytes.len() as f64 * share) as usize).min(bytes.len().saturating_sub(1));
        match self {
            _ if bytes.is_empty() => {}
            Self::Write(at, byte) => {
                let at = place(*at);
                bytes[at] = *byte;
            }
            Self::Flip(at, bit) => {
                let at = place(*at);
                bytes[at] ^= 1 << bit;
            }
            Self::Remove(at, count) => {
                let at = place(*at);
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Self::Insert(at, new) => {
                let at = place(*at);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Repeat(at, count) => {
                let at = place(*at);
                let again = bytes[at..(at + count).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
            Self::Cut(at) => bytes.truncate(place(*at)),
        }
    }
}

//! What a replay runs in beside what the recorded run ran in: which differences decide bits, and what each of them means.

use serde::Serialize;

use super::provenance::KERNELS_ENTRY;
use augtrial_registry::Provenance;

/// Something that the replay runs in and the recorded run did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Surrounding {
    /// The field of provenance.json, such as `backend.libtorch`.
    pub field: String,
    pub recorded: Option<String>,
    pub now: Option<String>,
    /// Whether equal inputs may give other bits because of it.
    pub decides_bits: bool,
    pub meaning: &'static str,
}

/// Fields that are compared, in the order in which they are told. A prefix that ends in a dot stands for all fields below it
/// that have no line of their own.
const FIELDS: [(&str, bool, &str); 13] = [
    ("threads", true, "sums are split among threads: bits may differ"),
    ("device", true, "another device computes by other kernels: bits may differ"),
    ("backend.libtorch", true, "another LibTorch may compute otherwise: bits may differ"),
    (
        "backend.cpu_capability",
        true,
        "LibTorch chooses its kernels by it: bits may differ; ATEN_CPU_CAPABILITY=default, avx2 or avx512 chooses others",
    ),
    ("instruction_set", true, "libraries choose their kernels by it: bits may differ"),
    ("cpu_model", true, "libraries choose kernels and block sizes by the processor: bits may differ"),
    ("backend.", true, "part of what trains: bits may differ"),
    ("determinism.omp_wait_policy", false, "how threads wait: it costs time, not bits"),
    (
        "determinism.environment.",
        true,
        "a variable by which LibTorch chooses its kernels: bits may differ; set it as it was to compute the recorded bits",
    ),
    ("determinism.", true, "a switch of what trains: bits may differ"),
    ("augtrial_version", false, "another program; whether it trains to other results, the trainer's version says"),
    ("git.commit", false, "the commit of the working folder, of the program if it was built there"),
    ("git.dirty", false, "changes in the working folder, of the program if it was built there"),
];

/// The field whose difference decides no bit where both sides pinned the same kernels.
const INSTRUCTION_SET: &str = "instruction_set";
const PINNED: &str = "the kernels are pinned: they use the same instructions on both";

/// Fields of provenance.json that differ and may matter.
pub(super) fn differences(recorded: &Provenance, now: &Provenance) -> Vec<Surrounding> {
    let kernels = |provenance: &Provenance| provenance.backend.get(KERNELS_ENTRY).cloned();
    let pinned = kernels(recorded).is_some() && kernels(recorded) == kernels(now);
    let (then, now) = (recorded.leaves(), now.leaves());
    let mut fields: Vec<(usize, &String)> =
        then.keys().chain(now.keys()).filter_map(|field| Some((row(field)?, field))).collect();
    fields.sort_unstable();
    fields.dedup();
    let differing = fields.into_iter().filter(|(_, field)| then.get(*field) != now.get(*field));
    differing
        .map(|(row, field)| {
            let (name, decides_bits, meaning) = FIELDS[row];
            let (decides_bits, meaning) =
                if pinned && name == INSTRUCTION_SET { (false, PINNED) } else { (decides_bits, meaning) };
            let of = |leaves: &std::collections::BTreeMap<String, String>| leaves.get(field).cloned();
            Surrounding { field: field.clone(), recorded: of(&then), now: of(&now), decides_bits, meaning }
        })
        .collect()
}

/// The line that a field is told by: its own, or that of the fields around it.
fn row(field: &str) -> Option<usize> {
    let own = FIELDS.iter().position(|(name, ..)| *name == field);
    own.or_else(|| FIELDS.iter().position(|(name, ..)| name.ends_with('.') && field.starts_with(name)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use augtrial_registry::GitState;

    fn provenance(threads: u32, libtorch: &str, wait: &str) -> Provenance {
        let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        Provenance {
            threads,
            backend: BTreeMap::from([entry("libtorch", libtorch)]),
            determinism: BTreeMap::from([entry("omp_wait_policy", wait)]),
            host: format!("host with {threads} cores"),
            ..Provenance::default()
        }
    }

    #[test]
    fn equal_surroundings_and_another_host_name_are_no_difference() {
        let one = provenance(2, "2.13.0", "PASSIVE");
        let moved = Provenance { host: "elsewhere".to_owned(), os: "linux 7".to_owned(), ..one.clone() };
        assert_eq!(differences(&one, &moved), []);
    }

    #[test]
    fn every_difference_says_whether_it_decides_bits() {
        let now = Provenance {
            git: Some(GitState { commit: "abc".to_owned(), dirty: None }),
            ..provenance(1, "2.14.0", "ACTIVE")
        };
        let found = differences(&provenance(2, "2.13.0", "PASSIVE"), &now);
        let told: Vec<_> = found.iter().map(|one| (one.field.as_str(), one.decides_bits)).collect();
        let expected = [
            ("threads", true),
            ("backend.libtorch", true),
            ("determinism.omp_wait_policy", false),
            ("git.commit", false),
        ];
        assert_eq!(told, expected);
        assert_eq!((found[0].recorded.as_deref(), found[0].now.as_deref()), (Some("2"), Some("1")));
        assert_eq!((found[3].recorded.as_deref(), found[3].now.as_deref()), (None, Some("abc")));
    }

    #[test]
    fn another_instruction_set_decides_bits_unless_both_pinned_the_same_kernels() {
        let on = |instruction_set: &str, kernels: Option<&str>| {
            let mut provenance = provenance(2, "2.13.0", "PASSIVE");
            provenance.instruction_set = instruction_set.to_owned();
            provenance.backend.extend(kernels.map(|name| (KERNELS_ENTRY.to_owned(), name.to_owned())));
            provenance
        };
        let decides = |one: &Provenance, other: &Provenance| differences(one, other).iter().any(|one| one.decides_bits);
        assert!(decides(&on("avx512", None), &on("avx2", None)));
        assert!(!decides(&on("avx512", Some("avx2")), &on("avx2", Some("avx2"))));
        assert!(decides(&on("avx512", Some("avx2")), &on("avx2", Some("portable"))));
    }

    #[test]
    fn a_variable_that_chooses_kernels_is_told_as_one() {
        let plain = provenance(2, "2.13.0", "PASSIVE");
        let mut set = plain.clone();
        set.determinism.insert("environment.ONEDNN_MAX_CPU_ISA".to_owned(), "AVX2".to_owned());
        let found = differences(&plain, &set);
        assert_eq!(found.len(), 1);
        assert!(found[0].decides_bits && found[0].meaning.contains("chooses its kernels"), "{found:?}");
    }

    #[test]
    fn a_switch_that_is_not_known_here_is_told_as_one_that_decides() {
        let mut now = provenance(2, "2.13.0", "PASSIVE");
        now.backend.insert("new_library".to_owned(), "1".to_owned());
        let found = differences(&provenance(2, "2.13.0", "PASSIVE"), &now);
        assert_eq!(found.len(), 1);
        assert!(found[0].decides_bits && found[0].field == "backend.new_library", "{found:?}");
    }
}

//! What the record tells of how a study was conducted: seeds changed when results could be seen, and runs that are no pairs.
//!
//! The rule for *could be seen*: a contrast can be looked at from the moment two of its pairs are complete, since from then
//! on there is an interval and a p value. Seeds that no run begun by that moment was declared with, by its plan or by the
//! experiment file itself, are an extension after looking. It follows from the run folders alone, so that no bookkeeping can
//! be forgotten, and finishing what was planned is never one.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::results::ArmSeed;
use super::sheet::StudySheet;
use super::{StudyError, looks};
use augtrial_base::digest::Digest;
use augtrial_compare::{Conduct, Looked, Mismatch};
use augtrial_plan::Plan;
use augtrial_plan::file::Contrast;
use augtrial_registry::{Registry, RunSummary};

/// A run that counts, as far as it matters here.
#[cfg_attr(test, derive(Clone))]
struct Made<'a> {
    arm: &'a str,
    seed: u64,
    /// RFC 3339 in UTC to the millisecond: sorts as time.
    began_at: &'a str,
    ended_at: &'a str,
    split: Digest,
    /// Seeds that were declared when it began.
    declared: BTreeSet<u64>,
}

/// How a study was conducted, by its runs that count.
pub(super) fn of(
    plan: &Plan,
    registry: &Registry,
    cells: &[ArmSeed<'_>],
    sheet: &StudySheet,
) -> Result<Conduct, StudyError> {
    let mut declarations = BTreeMap::new();
    let mut made = Vec::new();
    for cell in cells {
        let Some(run @ RunSummary { ended_at: Some(ended_at), .. }) = &cell.state.counted else { continue };
        // Most runs share their plan; it is read once.
        let declared = match declarations.entry(run.plan) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(declared(registry, run)?),
        };
        made.push(Made {
            arm: cell.arm,
            seed: cell.seed,
            began_at: &run.created_at,
            ended_at,
            split: run.split,
            declared: declared.clone(),
        });
    }
    Ok(Conduct {
        look: looks::reached(plan, cells),
        looked: looked(plan, &made),
        mismatches: mismatches(plan, &made),
        test_share: sheet.test_share(),
        peeked_at: registry.peeked_at(&plan.study.name, &plan.digest())?,
    })
}

/// Seeds of the plan that a run was made by, and of the experiment file that it came from.
fn declared(registry: &Registry, run: &RunSummary) -> Result<BTreeSet<u64>, StudyError> {
    let mut seeds = BTreeSet::new();
    if let Some(toml) = registry.plan_toml(&run.plan)? {
        seeds.extend(Plan::parse(&run.study, &toml, PathBuf::new(), &[])?.study.seeds);
    }
    seeds.extend(registry.provenance(run.run)?.experiment.into_iter().flat_map(|experiment| experiment.seeds));
    Ok(seeds)
}

fn pairs<'m, 'a>(plan: &Plan, made: &'m [Made<'a>], contrast: usize) -> Vec<(&'m Made<'a>, &'m Made<'a>)> {
    let contrast = &plan.contrasts[contrast];
    let of = |arm: &str| -> BTreeMap<u64, &'m Made<'a>> {
        made.iter().filter(|run| run.arm == arm).map(|run| (run.seed, run)).collect()
    };
    let (treatment, control) = (of(&contrast.treatment), of(&contrast.control));
    treatment.into_iter().filter_map(|(seed, run)| Some((run, *control.get(&seed)?))).collect()
}

/// What changed after the first moment at which some contrast could be looked at.
fn looked(plan: &Plan, made: &[Made<'_>]) -> Option<Looked> {
    let second_pair = |contrast| {
        let mut complete: Vec<&str> =
            pairs(plan, made, contrast).iter().map(|(t, c)| t.ended_at.max(c.ended_at)).collect();
        complete.sort_unstable();
        complete.get(1).copied()
    };
    let first_look = (0..plan.contrasts.len()).filter_map(second_pair).min()?;
    let before: Vec<&Made<'_>> = made.iter().filter(|run| run.began_at <= first_look).collect();
    let declared: BTreeSet<u64> = before.iter().flat_map(|run| &run.declared).copied().collect();
    let seeds: BTreeSet<u64> = plan.study.seeds.iter().copied().collect();
    // A declaration may be replaced freely before anything can be seen: what is dropped is dropped from the last one.
    let last = before.iter().max_by_key(|run| run.began_at)?;
    let changed = Looked {
        planned: seeds.intersection(&declared).copied().collect(),
        added: seeds.difference(&declared).copied().collect(),
        dropped: last.declared.difference(&seeds).copied().collect(),
    };
    (!changed.added.is_empty() || !changed.dropped.is_empty()).then_some(changed)
}

/// A pair shares its division of the data: it does not if the data changed between the two runs.
fn mismatches(plan: &Plan, made: &[Made<'_>]) -> Vec<Mismatch> {
    let runs = made.iter().map(|run| (run.arm, run.seed, run.split));
    let mismatch = |Divided { contrast, seed, treatment, control }| {
        let contrast: &Contrast = &plan.contrasts[contrast];
        let reason = format!(
            "not a pair: {} was made on division {}, {} on {}; the data changed in between, so run the older arm again",
            contrast.treatment,
            treatment.short(),
            contrast.control,
            control.short()
        );
        Mismatch { contrast: contrast.clone(), seed, reason }
    };
    divided(&plan.contrasts, runs).into_iter().map(mismatch).collect()
}

/// Two runs of one seed that were made on different divisions of the data.
pub(super) struct Divided {
    /// Index of their contrast.
    pub contrast: usize,
    pub seed: u64,
    pub treatment: Digest,
    pub control: Digest,
}

/// Those among runs, of which each is an arm, a seed and the division that it was made on.
pub(super) fn divided<'a>(
    contrasts: &[Contrast],
    runs: impl IntoIterator<Item = (&'a str, u64, Digest)>,
) -> Vec<Divided> {
    let mut by_arm: BTreeMap<&str, BTreeMap<u64, Digest>> = BTreeMap::new();
    for (arm, seed, division) in runs {
        by_arm.entry(arm).or_default().insert(seed, division);
    }
    let mut found = Vec::new();
    for (index, contrast) in contrasts.iter().enumerate() {
        let (Some(treatments), Some(controls)) =
            (by_arm.get(contrast.treatment.as_str()), by_arm.get(contrast.control.as_str()))
        else {
            continue;
        };
        for (&seed, &treatment) in treatments {
            if let Some(&control) = controls.get(&seed).filter(|control| **control != treatment) {
                found.push(Divided { contrast: index, seed, treatment, control });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seeds: &[u64]) -> Plan {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = {seeds:?}\n[dataset.synthetic]\nimages = 60\n[classifier.budget]\nepochs = 1\n\
             [[arm]]\nname = \"c\"\nrole = \"control\"\n[[arm]]\nname = \"t\"\nrepeat = 2\n"
        );
        Plan::parse("test", &text, PathBuf::new(), &[]).unwrap()
    }

    /// Both arms of each seed, at one run a second from `start`, declared with `declared`.
    fn batch(start: usize, seeds: &[u64], declared: &[u64]) -> Vec<Made<'static>> {
        const TIMES: [&str; 24] = [
            "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17",
            "18", "19", "20", "21", "22", "23",
        ];
        let arms = seeds.iter().flat_map(|&seed| ["c", "t"].map(|arm| (seed, arm)));
        arms.enumerate()
            .map(|(index, (seed, arm))| Made {
                arm,
                seed,
                began_at: TIMES[start + index],
                ended_at: TIMES[start + index + 1],
                split: Digest::of_bytes(b"split"),
                declared: declared.iter().copied().collect(),
            })
            .collect()
    }

    #[test]
    fn seeds_declared_after_two_pairs_were_complete_are_an_extension() {
        let made = [batch(0, &[1, 2, 3], &[1, 2, 3]), batch(8, &[4, 5], &[1, 2, 3, 4, 5])].concat();
        let expected = Looked { planned: vec![1, 2, 3], added: vec![4, 5], dropped: vec![] };
        assert_eq!(looked(&plan(&[1, 2, 3, 4, 5]), &made), Some(expected));
        assert_eq!(looked(&plan(&[1, 2, 3]), &made[..6]), None, "the planned seeds alone are none");
    }

    #[test]
    fn finishing_what_was_planned_is_no_extension() {
        let made = [batch(0, &[1, 2], &[1, 2, 3, 4]), batch(9, &[3, 4], &[1, 2, 3, 4])].concat();
        assert_eq!(looked(&plan(&[1, 2, 3, 4]), &made), None);
        // Half of the file's seeds at a time: each run's own plan has two, the file has four.
        assert_eq!(looked(&plan(&[1, 2, 3]), &batch(0, &[1], &[1])), None, "one pair shows no interval");
        let trial = [batch(0, &[1], &[1]), batch(5, &[2, 3], &[1, 2, 3])].concat();
        assert_eq!(looked(&plan(&[1, 2, 3]), &trial), None, "a trial run of one seed has nothing to look at");
    }

    #[test]
    fn stopping_before_what_was_planned_is_marked_too() {
        let made = batch(0, &[1, 2, 3], &[1, 2, 3, 4, 5]);
        let expected = Looked { planned: vec![1, 2, 3], added: vec![], dropped: vec![4, 5] };
        assert_eq!(looked(&plan(&[1, 2, 3]), &made), Some(expected));
    }

    #[test]
    fn runs_of_one_seed_on_different_divisions_are_no_pair() {
        let mut made = batch(0, &[1, 2], &[1, 2]);
        made[3].split = Digest::of_bytes(b"other");
        let found = mismatches(&plan(&[1, 2]), &made);
        assert_eq!(found.iter().map(|m| m.seed).collect::<Vec<_>>(), [2]);
        assert!(found[0].reason.contains("not a pair"), "{}", found[0].reason);
    }
}

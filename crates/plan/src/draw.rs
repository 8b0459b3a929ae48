//! Which division and which sets the trials of a seed rest on: one draw for the whole study, or one for each seed.

use super::Plan;
use super::cross_fit::CrossFit;
use super::dataset::SplitRule;
use super::file::Redraw;
use augtrial_base::seed::StudySeed;

/// What is random about the data of a trial. Trials of equal draws share their division and their sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Draw {
    /// Decides the division.
    pub split: StudySeed,
    /// The fold of the division that is tested, from 0; absent without folds.
    pub fold: Option<u32>,
    /// Decides the materialized sets.
    pub sets: StudySeed,
    /// Where networks are cross-fitted: the number of folds of the training part, and the one that is left out, from 0.
    pub held_out: Option<(u32, u32)>,
}

impl Plan {
    /// The draw of the trials with this seed.
    #[must_use]
    pub fn draw(&self, seed: u64) -> Draw {
        let study = self.study.seed;
        let drawn = |what| if self.study.redraw.contains(&what) { study.redrawn(seed) } else { study };
        let (split, fold) = match self.split {
            SplitRule::Folds(folds) => {
                let (k, number) = (u64::from(folds.k.max(1)), seed.saturating_sub(1));
                let division = number / k;
                let split = if division == 0 { study } else { study.redrawn(division) };
                (split, Some((number % k) as u32))
            }
            SplitRule::Stratified(_) | SplitRule::Given(_) => (drawn(Redraw::Split), None),
        };
        let held_out = self.cross_fit.filter(|_| self.is_cross_fit()).map(|CrossFit { folds, .. }| {
            let folds = folds.max(1);
            (folds, (seed.saturating_sub(1) % u64::from(folds)) as u32)
        });
        Draw { split, fold, sets: drawn(Redraw::Sets), held_out }
    }

    /// Every draw of the plan with the seeds that share it, in the order of the seeds.
    #[must_use]
    pub fn draws(&self) -> Vec<(Draw, Vec<u64>)> {
        let mut draws: Vec<(Draw, Vec<u64>)> = Vec::new();
        for &seed in &self.study.seeds {
            let draw = self.draw(seed);
            match draws.iter_mut().find(|(known, _)| *known == draw) {
                Some((_, seeds)) => seeds.push(seed),
                None => draws.push((draw, vec![seed])),
            }
        }
        draws
    }

    /// Whether seeds have test images of their own.
    #[must_use]
    pub fn redraws_split(&self) -> bool {
        matches!(self.split, SplitRule::Folds(_)) || self.study.redraw.contains(&Redraw::Split) || self.is_cross_fit()
    }

    /// Whether seeds have materialized sets of their own.
    #[must_use]
    pub fn redraws_sets(&self) -> bool {
        self.study.redraw.contains(&Redraw::Sets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlanError;

    fn parse(study: &str, more: &str) -> Result<Plan, PlanError> {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1, 2, 3, 4]\n{study}\n[dataset.synthetic]\n{more}\n[classifier.budget]\nepochs = 1\n\
             [[arm]]\nname = \"c\"\nrole = \"control\"\n"
        );
        Plan::parse("s.toml", &text, std::path::PathBuf::new(), &[])
    }

    #[test]
    fn a_plan_without_redraw_has_one_draw_and_is_written_as_it_was_before_there_was_any() {
        let plan = parse("", "").unwrap();
        let draw = Draw { split: StudySeed(1), fold: None, sets: StudySeed(1), held_out: None };
        assert_eq!(plan.draws(), [(draw, vec![1, 2, 3, 4])]);
        assert!(!plan.to_toml().contains("redraw") && !plan.redraws_split() && !plan.redraws_sets());
    }

    #[test]
    fn what_is_redrawn_differs_from_seed_to_seed_and_the_rest_does_not() {
        let plan = parse("redraw = [\"sets\"]", "").unwrap();
        assert_eq!(plan.draws().len(), 4);
        assert!((1..=4).all(|seed| plan.draw(seed).split == StudySeed(1)));
        let plan = parse("redraw = [\"split\", \"sets\"]", "").unwrap();
        let (one, two) = (plan.draw(1), plan.draw(2));
        assert!(one.split != two.split && one.sets != two.sets && one.split != StudySeed(1));
        let other = parse("seed = 2\nredraw = [\"split\"]", "").unwrap();
        assert_ne!(other.draw(1).split, one.split, "the study's seed has its part in it");
        assert_eq!(parse("redraw = [\"split\"]", "").unwrap().to_toml().matches("redraw").count(), 1);
    }

    #[test]
    fn seeds_are_folds_of_one_division_after_another() {
        let plan = parse("", "[split.folds]\nk = 3").unwrap();
        let folds: Vec<_> = (1..=4).map(|seed| plan.draw(seed)).map(|draw| (draw.fold.unwrap(), draw.split)).collect();
        assert_eq!(folds[..3], [(0, StudySeed(1)), (1, StudySeed(1)), (2, StudySeed(1))]);
        assert_eq!(folds[3].0, 0);
        assert_ne!(folds[3].1, StudySeed(1));
        assert!(plan.redraws_split() && !plan.redraws_sets());
    }

    #[test]
    fn what_cannot_be_redrawn_is_refused_with_advice() {
        let message = |study: &str, more: &str| parse(study, more).unwrap_err().to_string();
        for (study, more, expected) in [
            ("redraw = [\"split\"]", "[split.folds]", "`redraw` has `split`, and folds draw the split already"),
            ("redraw = [\"sets\", \"sets\"]", "", "`redraw` names the same twice"),
            ("redraw = [\"sets\"]\nprotocol = \"as-published\"", "", "the as-published protocol has one draw"),
            ("", "[split.folds]\nk = 1", "`k` must lie between 2 and 100, not 1"),
            ("", "[split.folds]\nvalidation = 0.0", "`validation` must lie between 0.01 and 0.9"),
            ("redraw = [\"split\"]", "[split.given]", "a prescribed split cannot be redrawn"),
        ] {
            let message = message(study, more);
            assert!(message.contains(expected), "{expected} not in {message}");
        }
        let text = "[study]\nname = \"s\"\nseeds = [0, 1]\n[dataset.synthetic]\n[split.folds]\n[classifier.budget]\nepochs = 1\n\
                    [[arm]]\nname = \"c\"\nrole = \"control\"\n";
        let zero = Plan::parse("s.toml", text, std::path::PathBuf::new(), &[]);
        assert!(zero.unwrap_err().to_string().contains("seeds of folds count from 1"));
    }
}

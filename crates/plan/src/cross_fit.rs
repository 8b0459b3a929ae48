//! `[cross_fit]`: networks of the control that judge images whose source they were not trained on, in a study of one division.
//!
//! The training part is cut into folds. A network of the control's recipe is trained on all of them but one, selected on the
//! study's validation part, and judges the images of that fold and what is made of them. The test part is in none of it. As a
//! search is, this is a study of its own, [`Plan::cross_fit_plan`]: the trial with seed s leaves out fold s.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Plan;
use super::arm::{Arm, Role};
use super::check::slug_problem;
use super::dataset::{Folds, Protocol, SplitRule};
use super::design::Mistake;
use super::file::{ExperimentFile, PrimaryMetric, Redraw, Study, default_alpha, default_delta};
use super::gate::Gate;
use super::select::Select;

/// Folds where a file does not say how many.
const FOLDS: u32 = 5;
/// Most folds: each is a network trained.
const MOST_FOLDS: u32 = 50;
/// What the name of the study of the folds ends with.
const NETWORKS: &str = "--cross-fit";

/// `[cross_fit]`: the training part in folds, and a network of the control for each, trained without it. Gates and selections that
/// ask networks use them, and so does `augtrial quality`. Absent: 5 folds if an arm needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrossFit {
    /// Folds of the training part, 2 to 50; a network is trained for each.
    #[serde(default = "default_folds")]
    pub folds: u32,
    /// How far it is. Written by the program.
    #[serde(default, skip_serializing_if = "FitStage::is_declared")]
    pub stage: FitStage,
    /// Whether the networks' runs record when each training image is learned. Written by the program, where an arm selects by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub learned: bool,
}

/// Whether a plan is the study or trains the networks that it asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FitStage {
    /// The study.
    #[default]
    Declared,
    /// This plan trains the networks: the seed says which fold is left out.
    Fitting,
}

impl FitStage {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_declared(&self) -> bool {
        *self == Self::Declared
    }
}

fn default_folds() -> u32 {
    FOLDS
}

impl Arm {
    /// Whether what this arm trains on depends on what cross-fitted networks say.
    #[must_use]
    pub fn asks_networks(&self) -> bool {
        self.gate.as_ref().is_some_and(Gate::asks_networks) || self.select.as_ref().is_some_and(Select::asks_networks)
    }
}

impl Plan {
    /// Whether this plan trains the networks that another one asks.
    #[must_use]
    pub fn is_cross_fit(&self) -> bool {
        self.cross_fit.is_some_and(|fit| fit.stage == FitStage::Fitting)
    }

    /// Whether runs record when each training image is learned.
    #[must_use]
    pub fn records_learning(&self) -> bool {
        self.cross_fit.is_some_and(|fit| fit.stage == FitStage::Fitting && fit.learned)
    }

    /// Whether what this arm trains on depends on what cross-fitted networks say, by a rule of its own or of the arm that it is the
    /// random null of.
    #[must_use]
    pub fn asks_networks(&self, arm: &Arm) -> bool {
        let other = |name: Option<&str>| self.arms.iter().find(|known| Some(known.name.as_str()) == name);
        let like = other(arm.gate.as_ref().and_then(|gate| gate.like.as_deref()));
        let nulled = other(arm.select.as_ref().and_then(Select::like));
        [Some(arm), like, nulled].into_iter().flatten().any(Arm::asks_networks)
    }

    /// The arm whose recipe the networks are trained by: the first control that nothing is left out of.
    #[must_use]
    pub fn reference_arm(&self) -> Option<&Arm> {
        reference(&self.arms)
    }

    /// The plan that trains the networks; nothing if no arm asks any and none are declared.
    #[must_use]
    pub fn cross_fit_plan(&self) -> Option<Self> {
        if self.is_cross_fit() {
            return None;
        }
        let asked = self.arms.iter().any(Arm::asks_networks).then_some(FOLDS);
        let folds = self.cross_fit.map(|fit| fit.folds).or(asked)?;
        let arm = Arm { role: Role::Control, ..self.reference_arm()?.clone() };
        let learned = self.arms.iter().any(|arm| arm.select == Some(Select::LateLearned));
        let study = Study {
            name: format!("{}{NETWORKS}", self.study.name),
            title: Some(format!("The networks that judge the images of {}", self.study.name)),
            question: None,
            seeds: (1..=u64::from(folds)).collect(),
            primary_metric: PrimaryMetric::Top1,
            alpha: default_alpha(),
            delta: default_delta(),
            redraw: Vec::new(),
            ..self.study.clone()
        };
        Some(Self {
            study,
            arms: vec![arm],
            cross_fit: Some(CrossFit { folds, stage: FitStage::Fitting, learned }),
            tune: None,
            sequential: None,
            contrasts: Vec::new(),
            evaluations: Vec::new(),
            ..self.clone()
        })
    }
}

/// What the name of the study of the folds of a whole data set ends with.
const LABELS: &str = "--labels";

impl Plan {
    /// The plan that trains the control once for each of `folds` folds of the whole data set, which keep together what looks alike, so
    /// that every image is judged by a network that was not trained on it.
    ///
    /// # Errors
    /// What is in the way, as a fragment of a sentence.
    pub fn label_plan(&self, folds: u32) -> Result<Self, String> {
        if !(2..=MOST_FOLDS).contains(&folds) {
            return Err(format!("the number of folds must lie between 2 and {MOST_FOLDS}, not {folds}"));
        }
        let arm = self
            .reference_arm()
            .ok_or("no arm without gate and selection has `role = \"control\"`, whose recipe would be trained")?;
        let study = Study {
            name: format!("{}{LABELS}", self.study.name),
            title: Some(format!("The networks that doubt labels of {}", self.study.name)),
            question: None,
            seeds: (1..=u64::from(folds)).collect(),
            protocol: Protocol::LeakFree,
            primary_metric: PrimaryMetric::Top1,
            alpha: default_alpha(),
            delta: default_delta(),
            redraw: Vec::new(),
            ..self.study.clone()
        };
        if slug_problem(&study.name).is_some() {
            return Err(format!("the name of the study is too long for its networks', NAME{LABELS}"));
        }
        Ok(Self {
            study,
            split: SplitRule::Folds(Folds { k: folds, group_near_duplicates: true, ..Folds::default() }),
            arms: vec![arm.clone()],
            cross_fit: None,
            tune: None,
            sequential: None,
            contrasts: Vec::new(),
            evaluations: Vec::new(),
            ..self.clone()
        })
    }
}

fn reference(arms: &[Arm]) -> Option<&Arm> {
    arms.iter().find(|arm| arm.role == Role::Control && arm.gate.is_none() && arm.select.is_none())
}

/// Everything about cross-fitting that makes no sense, wherever a file asks for it.
pub(super) fn mistakes(file: &ExperimentFile) -> Vec<Mistake> {
    let asking = file.arms.iter().position(Arm::asks_networks);
    let path = match (&file.cross_fit, asking) {
        (Some(_), _) => "cross_fit".to_owned(),
        (None, Some(arm)) => format!("arm[{arm}].{}", if file.arms[arm].gate.is_some() { "gate" } else { "select" }),
        (None, None) => return Vec::new(),
    };
    let mut found = Vec::new();
    let mut report = |message: &str, help: &str| {
        found.push(Mistake { path: path.clone(), message: message.to_owned(), help: Some(help.to_owned()) });
    };
    if let Some(CrossFit { folds, .. }) = file.cross_fit
        && !(2..=MOST_FOLDS).contains(&folds)
    {
        report(&format!("`folds` must lie between 2 and {MOST_FOLDS}, not {folds}"), "each fold is a network trained");
    }
    if reference(&file.arms).is_none() {
        report(
            "there is no control to cross-fit",
            "give `role = \"control\"` to an arm without `gate` and `select`: its recipe trains the networks that are asked",
        );
    }
    if file.classifier.command.is_some() {
        report(
            "a command trains the control, and its weights are the command's own, so that no network can be asked",
            "gate by `change_levels` or `change_ssim`, or let augtrial train",
        );
    }
    if matches!(file.split, Some(SplitRule::Folds(_))) || file.study.redraw.contains(&Redraw::Split) {
        report(
            "a study that divides its data anew for every seed would need networks for every division",
            "use [split.stratified] or [split.given] without `split` in `redraw`, or gate by `change_levels` or `change_ssim`",
        );
    }
    if file.study.protocol == Protocol::AsPublished {
        report("the as-published protocol has no training part to cut into folds", "use the leak-free protocol");
    }
    let name = &file.study.name;
    if slug_problem(name).is_none() && slug_problem(&format!("{name}{NETWORKS}")).is_some() {
        report(&format!("the name of the study is too long for its networks', NAME{NETWORKS}"), "use a shorter one");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlanError;

    fn parse(study: &str, more: &str) -> Result<Plan, PlanError> {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1, 2, 3]\n{study}\n[dataset.synthetic]\n[classifier.budget]\nepochs = 1\n{more}\n\
             [[arm]]\nname = \"c\"\nrole = \"control\"\n"
        );
        Plan::parse("s.toml", &text, std::path::PathBuf::new(), &[])
    }

    const GATED: &str =
        "[[arm]]\nname = \"g\"\ngate = { agreement = true }\n[[arm.offline]]\napply = [{ invert = {} }]";

    #[test]
    fn a_plan_that_asks_no_network_trains_none_and_is_written_as_before_there_were_any() {
        let plan = parse("", "").unwrap();
        assert!(plan.cross_fit_plan().is_none() && !plan.to_toml().contains("cross_fit"));
        let changed = GATED.replace("agreement = true", "change_levels = { least = 1.0 }");
        assert!(parse("", &changed).unwrap().cross_fit_plan().is_none(), "pixels are compared without a network");
    }

    #[test]
    fn networks_are_a_study_of_the_control_alone_with_a_fold_for_each_seed() {
        let plan = parse("", &format!("[cross_fit]\nfolds = 3\n{GATED}")).unwrap();
        let networks = plan.cross_fit_plan().unwrap();
        assert_eq!((networks.study.name.as_str(), networks.study.seeds.as_slice()), ("s--cross-fit", &[1, 2, 3][..]));
        assert_eq!(networks.arms.iter().map(|arm| arm.name.as_str()).collect::<Vec<_>>(), ["c"]);
        assert!(networks.is_cross_fit() && networks.cross_fit_plan().is_none() && networks.redraws_split());
        let folds: Vec<_> = (1..=3).map(|seed| networks.draw(seed).held_out).collect();
        assert_eq!(folds, [Some((3, 0)), Some((3, 1)), Some((3, 2))]);
        assert_eq!(plan.draw(2).held_out, None);
        let again = Plan::parse("s", &networks.to_toml(), std::path::PathBuf::new(), &[]).unwrap();
        assert_eq!(again.digest(), networks.digest());
        assert_eq!(parse("", GATED).unwrap().cross_fit_plan().unwrap().study.seeds.len(), 5);
        assert!(parse("", "[cross_fit]").unwrap().cross_fit_plan().is_some(), "`augtrial quality` asks them too");
    }

    #[test]
    fn labels_are_judged_by_folds_of_the_whole_data_set_that_keep_together_what_looks_alike() {
        let plan = parse("", GATED).unwrap();
        let labels = plan.label_plan(4).unwrap();
        assert_eq!((labels.study.name.as_str(), labels.arms.len(), labels.draws().len()), ("s--labels", 1, 4));
        assert!(labels.split.minds_near_duplicates() && labels.cross_fit_plan().is_none());
        let again = Plan::parse("s", &labels.to_toml(), std::path::PathBuf::new(), &[]).unwrap();
        assert_eq!(again.digest(), labels.digest());
        assert!(plan.label_plan(1).unwrap_err().contains("between 2 and 50, not 1"));
        let none = Plan { arms: plan.arms[..0].to_vec(), ..plan };
        assert!(none.label_plan(4).unwrap_err().contains("control"));
    }

    #[test]
    fn what_cannot_be_cross_fitted_is_refused_with_advice() {
        let alone = GATED.replace("[[arm.offline]]", "role = \"control\"\n[[arm.offline]]");
        for (study, more, expected) in [
            ("", "[cross_fit]\nfolds = 1".to_owned(), "`folds` must lie between 2 and 50, not 1"),
            ("redraw = [\"split\"]", GATED.to_owned(), "would need networks for every division"),
            ("", format!("{GATED}\n[split.folds]"), "would need networks for every division"),
            ("protocol = \"as-published\"", "[cross_fit]".to_owned(), "no training part to cut into folds"),
        ] {
            let message = parse(study, &more).unwrap_err().to_string();
            assert!(message.contains(expected), "{expected} not in {message}");
        }
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n[dataset.synthetic]\n[classifier.budget]\nepochs = 1\n{alone}\n"
        );
        let message = Plan::parse("s.toml", &text, std::path::PathBuf::new(), &[]).unwrap_err().to_string();
        assert!(message.contains("there is no control to cross-fit"), "{message}");
    }
}

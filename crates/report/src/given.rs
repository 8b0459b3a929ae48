//! A report of results that were made elsewhere: what they say, and that nothing is known of how they came to be.

use super::conduct::{answers, banner};
use super::convergence::convergence;
use super::methods;
use super::record::Fact;
use super::references::Citations;
use super::view::{ArmFlow, ArmView, BannerFact, Budget, ClassCounts, ClassRow, DataView, StudyView};
use augtrial_base::text;
use augtrial_compare::{Comparison, StudyResults, compare};
use augtrial_plan::dataset::Protocol;

/// Where results come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Name of the file.
    pub file: String,
    /// Its SHA-256.
    pub digest: String,
    /// What was read of it.
    pub facts: Vec<String>,
}

impl Given {
    /// What a reader must know before the first number.
    #[must_use]
    pub fn banner(&self) -> BannerFact {
        BannerFact::GivenResults { file: text::reason(&self.file) }
    }

    /// What no interval covers, and what is not known.
    #[must_use]
    pub fn limits(&self, comparison: &Comparison) -> Vec<String> {
        let mut limits = vec![
            "Whether runs of one seed share the division of the data and the initial weights: if they do not, pairing removes no \
             noise. Rows are paired by their seed."
                .to_owned(),
            "Whether all arms had the same budget, and chose their epoch without looking at the test part.".to_owned(),
            "Whether test images, or copies of them, were trained on.".to_owned(),
            "Whether every run that was made is in the table, and whether seeds were added after looking.".to_owned(),
        ];
        if comparison.images == 0 {
            limits.push(
                "Predictions: a table of them (arm, seed, image, label, predicted) tells what holds for new images, too."
                    .to_owned(),
            );
        }
        limits
    }
}

impl StudyView {
    /// Compares results that were given.
    #[must_use]
    pub fn of_given(results: &StudyResults, given: &Given) -> Self {
        let comparison = compare(results);
        let study = &results.study;
        let (cited, protocol) = (Citations::default(), Protocol::LeakFree);
        let metric = comparison.measure().title;
        let arms = results.arms.iter().map(|arm| arm_view(&arm.name, arm.role)).collect();
        let mut told = vec![format!("The runs were made elsewhere and read from a table: {}.", given.facts.join("; "))];
        told.extend(excluded(&comparison));
        told.extend(methods::testing(&comparison, metric, "made of the table, each arm with the control", &cited));
        let digest = Fact { label: "SHA-256".to_owned(), value: given.digest.clone() };
        let file = Fact { label: "file".to_owned(), value: text::reason(&given.file) };
        Self {
            audit: None,
            quality: None,
            name: study.name.clone(),
            title: format!("Results given in {}", text::reason(&given.file)),
            question: study.question.clone(),
            protocol,
            banner: [vec![given.banner()], banner(&comparison, false, protocol)].concat(),
            answers: answers(&comparison, protocol),
            limits: given.limits(&comparison),
            mark: "",
            metric: metric.to_owned(),
            data: no_data(),
            arms,
            families: Vec::new(),
            gallery: Vec::new(),
            methods: told,
            references: cited.list(),
            provenance: vec![file, digest],
            comparison,
            evaluations: Vec::new(),
            tuning: None,
        }
    }
}

/// Rows, or cells of arm and seed, that do not count.
fn excluded(comparison: &Comparison) -> Option<String> {
    let missing = comparison.arms.iter().flat_map(|arm| {
        arm.missing.iter().map(|missing| format!("{}, seed {}: {}", arm.name, missing.seed, missing.reason))
    });
    let missing: Vec<String> = missing.collect();
    (!missing.is_empty()).then(|| format!("Without a result: {}.", missing.join("; ")))
}

fn arm_view(name: &str, role: augtrial_plan::arm::Role) -> ArmView {
    ArmView {
        name: name.to_owned(),
        role,
        classes: no_classes(),
        flow: ArmFlow { planned: 0, missing: Vec::new(), trained_on: 0, stand_ins: None, tested: 0 },
        gated: Vec::new(),
        curves: Vec::new(),
        convergence: convergence(&[], 0.95),
        recalls: Vec::new(),
        confusion: None,
        budget: Budget::default(),
    }
}

fn no_data() -> DataView {
    DataView {
        classes: Vec::new(),
        read: no_classes(),
        parts: Vec::new(),
        quarantined: Vec::new(),
        ignored: Vec::new(),
        duplicates: 0,
        contradicting: Vec::new(),
        withheld: Vec::new(),
        unused: 0,
    }
}

fn no_classes() -> ClassCounts {
    ClassCounts { rows: Vec::new(), total: ClassRow { class: "total".to_owned(), count: 0, declared: None } }
}

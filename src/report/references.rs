//! The works that a report's methods rest on: each stands in the list only if the study used it.

use serde::Serialize;

use crate::compare::Comparison;
use crate::plan::Plan;
use crate::plan::arm::{Arm, Edit};
use crate::plan::classifier::{Optimizer, Schedule};
use crate::plan::transform::{Mix, Transform};

/// A work, as a line to read and as a `BibTeX` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    pub key: &'static str,
    /// `BibTeX` type of the entry.
    pub kind: &'static str,
    /// `BibTeX` list: last name first, joined by `and`.
    pub authors: &'static str,
    pub title: &'static str,
    /// Journal, proceedings or publisher.
    pub venue: &'static str,
    pub year: u16,
}

impl Reference {
    /// Authors, year, title and venue.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} ({}). {}. {}.", self.authors.replace(" and ", "; "), self.year, self.title, self.venue)
    }

    /// The entry.
    #[must_use]
    pub fn bibtex(&self) -> String {
        let Self { key, kind, authors, title, venue, year } = self;
        let field = match *kind {
            "inproceedings" => "booktitle",
            "book" => "publisher",
            "misc" => "howpublished",
            _ => "journal",
        };
        format!(
            "@{kind}{{{key},\n  author = {{{authors}}},\n  title = {{{{{title}}}}},\n  {field} = {{{venue}}},\n  year = {{{year}}}\n}}\n"
        )
    }
}

/// Every work that applies, by key.
pub(super) fn references(plan: &Plan, comparison: &Comparison) -> Vec<Reference> {
    let classifier = &plan.classifier;
    let transforms: Vec<&Transform> = plan.arms.iter().flat_map(transforms).chain(&classifier.transforms).collect();
    let uses = |name: &str| transforms.iter().any(|transform| transform.name() == name);
    let mixes = |wanted: fn(&Mix) -> bool| plan.arms.iter().filter_map(|arm| arm.mix.as_ref()).any(wanted);
    let contrasts = !comparison.contrasts.is_empty();
    let by_example = comparison.contrasts.iter().any(|contrast| contrast.examples.is_some());
    let mut applying: Vec<Reference> = [
        (true, HE),
        (true, PASZKE),
        (matches!(classifier.optimizer, Optimizer::Adamw(_)), LOSHCHILOV_ADAMW),
        (matches!(classifier.schedule, Schedule::Cosine(_)), LOSHCHILOV_SGDR),
        (plan.arms.iter().any(|arm| matches!(arm.edit, Some(Edit::Ip2p(_)))), BROOKS),
        (mixes(|mix| matches!(mix, Mix::Mixup(_))), ZHANG),
        (mixes(|mix| matches!(mix, Mix::Cutmix(_))), YUN),
        (uses("random_erasing"), ZHONG),
        (uses("cutout"), DEVRIES),
        (comparison.seeds.len() > 1, STUDENT),
        (contrasts, HOLM),
        (contrasts, SCHUIRMANN),
        (contrasts, PITMAN),
        (contrasts, WILCOXON),
        (contrasts, HEDGES),
        (contrasts, VARGHA),
        (comparison.friedman.is_ok(), FRIEDMAN),
        (by_example, MCNEMAR),
        (comparison.seeds.len() == 1, WILSON),
    ]
    .into_iter()
    .filter_map(|(applies, work)| applies.then_some(work))
    .collect();
    applying.sort_by_key(|work| work.key);
    applying
}

fn transforms(arm: &Arm) -> impl Iterator<Item = &Transform> {
    arm.offline.iter().flat_map(|step| &step.apply).chain(&arm.online)
}

const fn work(
    key: &'static str,
    kind: &'static str,
    authors: &'static str,
    title: &'static str,
    venue: &'static str,
    year: u16,
) -> Reference {
    Reference { key, kind, authors, title, venue, year }
}

const BROOKS: Reference = work(
    "brooks2023",
    "inproceedings",
    "Brooks, Tim and Holynski, Aleksander and Efros, Alexei A.",
    "InstructPix2Pix: Learning to Follow Image Editing Instructions",
    "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
    2023,
);
const DEVRIES: Reference = work(
    "devries2017",
    "misc",
    "DeVries, Terrance and Taylor, Graham W.",
    "Improved Regularization of Convolutional Neural Networks with Cutout",
    "arXiv:1708.04552",
    2017,
);
const FRIEDMAN: Reference = work(
    "friedman1937",
    "article",
    "Friedman, Milton",
    "The Use of Ranks to Avoid the Assumption of Normality Implicit in the Analysis of Variance",
    "Journal of the American Statistical Association",
    1937,
);
const HE: Reference = work(
    "he2016",
    "inproceedings",
    "He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing and Sun, Jian",
    "Deep Residual Learning for Image Recognition",
    "IEEE Conference on Computer Vision and Pattern Recognition",
    2016,
);
const HEDGES: Reference = work(
    "hedges1981",
    "article",
    "Hedges, Larry V.",
    "Distribution Theory for Glass's Estimator of Effect Size and Related Estimators",
    "Journal of Educational Statistics",
    1981,
);
const HOLM: Reference = work(
    "holm1979",
    "article",
    "Holm, Sture",
    "A Simple Sequentially Rejective Multiple Test Procedure",
    "Scandinavian Journal of Statistics",
    1979,
);
const LOSHCHILOV_ADAMW: Reference = work(
    "loshchilov2019",
    "inproceedings",
    "Loshchilov, Ilya and Hutter, Frank",
    "Decoupled Weight Decay Regularization",
    "International Conference on Learning Representations",
    2019,
);
const LOSHCHILOV_SGDR: Reference = work(
    "loshchilov2017",
    "inproceedings",
    "Loshchilov, Ilya and Hutter, Frank",
    "SGDR: Stochastic Gradient Descent with Warm Restarts",
    "International Conference on Learning Representations",
    2017,
);
const MCNEMAR: Reference = work(
    "mcnemar1947",
    "article",
    "McNemar, Quinn",
    "Note on the Sampling Error of the Difference between Correlated Proportions or Percentages",
    "Psychometrika",
    1947,
);
const PASZKE: Reference = work(
    "paszke2019",
    "inproceedings",
    "Paszke, Adam and Gross, Sam and Massa, Francisco and others",
    "PyTorch: An Imperative Style, High-Performance Deep Learning Library",
    "Advances in Neural Information Processing Systems",
    2019,
);
const PITMAN: Reference = work(
    "pitman1937",
    "article",
    "Pitman, E. J. G.",
    "Significance Tests Which May be Applied to Samples from any Populations",
    "Supplement to the Journal of the Royal Statistical Society",
    1937,
);
const SCHUIRMANN: Reference = work(
    "schuirmann1987",
    "article",
    "Schuirmann, Donald J.",
    "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the Equivalence of Average Bioavailability",
    "Journal of Pharmacokinetics and Biopharmaceutics",
    1987,
);
const STUDENT: Reference =
    work("student1908", "article", "Student", "The Probable Error of a Mean", "Biometrika", 1908);
const VARGHA: Reference = work(
    "vargha2000",
    "article",
    "Vargha, András and Delaney, Harold D.",
    "A Critique and Improvement of the CL Common Language Effect Size Statistics of McGraw and Wong",
    "Journal of Educational and Behavioral Statistics",
    2000,
);
const WILCOXON: Reference = work(
    "wilcoxon1945",
    "article",
    "Wilcoxon, Frank",
    "Individual Comparisons by Ranking Methods",
    "Biometrics Bulletin",
    1945,
);
const WILSON: Reference = work(
    "wilson1927",
    "article",
    "Wilson, Edwin B.",
    "Probable Inference, the Law of Succession, and Statistical Inference",
    "Journal of the American Statistical Association",
    1927,
);
const YUN: Reference = work(
    "yun2019",
    "inproceedings",
    "Yun, Sangdoo and Han, Dongyoon and Oh, Seong Joon and Chun, Sanghyuk and Choe, Junsuk and Yoo, Youngjoon",
    "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features",
    "IEEE/CVF International Conference on Computer Vision",
    2019,
);
const ZHANG: Reference = work(
    "zhang2018",
    "inproceedings",
    "Zhang, Hongyi and Cisse, Moustapha and Dauphin, Yann N. and Lopez-Paz, David",
    "mixup: Beyond Empirical Risk Minimization",
    "International Conference on Learning Representations",
    2018,
);
const ZHONG: Reference = work(
    "zhong2020",
    "inproceedings",
    "Zhong, Zhun and Zheng, Liang and Kang, Guoliang and Li, Shaozi and Yang, Yi",
    "Random Erasing Data Augmentation",
    "AAAI Conference on Artificial Intelligence",
    2020,
);

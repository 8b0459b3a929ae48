//! The measures against the packages whose names they bear, by the fixture that `fixtures/make_fixtures.py` made.

use serde::Deserialize;

use crate::features::Features;
use crate::measures::{change, kernel_distance, manifold, vendi};

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
    changes: Vec<Changed>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    width: usize,
    real: Vec<f32>,
    fake: Vec<f32>,
    prdc: Vec<Prdc>,
    kernel_distance: f64,
    fidelity: Option<f64>,
    subsets: Vec<[Vec<usize>; 2]>,
    subset_mean: f64,
    vendi_real: f64,
    vendi_fake: f64,
}

#[derive(Deserialize)]
struct Prdc {
    k: usize,
    precision: f64,
    recall: f64,
    density: f64,
    coverage: f64,
}

#[derive(Deserialize)]
struct Changed {
    width: usize,
    source: Vec<u8>,
    derived: Vec<u8>,
    levels: f64,
    ssim: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../fixtures/measures.json")).unwrap()
}

impl Case {
    fn features(&self) -> (Features, Features) {
        let of = |values: &[f32]| Features::new(self.width, values.to_vec()).unwrap();
        (of(&self.real), of(&self.fake))
    }
}

/// Both sum in f64, in other orders: 1e-10 leaves four digits for sums of a few thousand terms.
fn assert_close(what: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-10 * theirs.abs().max(1.0), "{what}: {ours} is not {theirs}");
}

#[test]
fn precision_recall_density_and_coverage_are_those_of_prdc() {
    for case in fixture().cases {
        let (real, fake) = case.features();
        for theirs in &case.prdc {
            let ours = manifold(&real, &fake, theirs.k).unwrap();
            let name = format!("{}, k = {}", case.name, theirs.k);
            assert_close(&format!("{name}: precision"), ours.precision, theirs.precision);
            assert_close(&format!("{name}: recall"), ours.recall, theirs.recall);
            assert_close(&format!("{name}: density"), ours.density, theirs.density);
            assert_close(&format!("{name}: coverage"), ours.coverage, theirs.coverage);
        }
    }
}

#[test]
fn the_kernel_distance_is_torch_fidelitys_on_everything_and_on_given_subsets() {
    let mut whole = 0;
    for case in fixture().cases {
        let (real, fake) = case.features();
        let ours = kernel_distance(&real, &fake).unwrap();
        assert_close(&case.name, ours, case.kernel_distance);
        if let Some(theirs) = case.fidelity {
            assert_close(&case.name, ours, theirs);
            whole += 1;
        }
        let subset = |[a, b]: &[Vec<usize>; 2]| kernel_distance(&real.select(a), &fake.select(b)).unwrap();
        let mean = case.subsets.iter().map(subset).sum::<f64>() / case.subsets.len() as f64;
        assert_close(&format!("{}, subsets", case.name), mean, case.subset_mean);
    }
    assert!(whole >= 4, "torch-fidelity ran on {whole} whole cases");
}

#[test]
fn the_vendi_score_is_vendi_scores_by_either_matrix() {
    for case in fixture().cases {
        let (real, fake) = case.features();
        assert_close(&case.name, vendi(&real).unwrap(), case.vendi_real);
        assert_close(&case.name, vendi(&fake).unwrap(), case.vendi_fake);
    }
}

#[test]
fn structural_similarity_of_colors_is_scikit_images() {
    let changes = fixture().changes;
    assert!(changes.len() >= 3);
    for Changed { width, source, derived, levels, ssim } in changes {
        let ours = change(&source, &derived, width).unwrap();
        assert_close("levels", ours.levels, levels);
        assert_close("ssim", ours.ssim.unwrap(), ssim);
    }
}

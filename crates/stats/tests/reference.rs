//! The statistics against scipy and statsmodels; `tests/fixtures/stats/make_fixture.py` made the numbers.

use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_stats::{self as stats, Degenerate};
use serde_json::Value;

/// Relative where a closed form is compared; also the absolute floor for values near zero.
const CLOSED_FORM: f64 = 1e-9;

/// For what either side solves by iteration.
const ITERATIVE: f64 = 1e-6;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/stats/fixture.json")).expect("the fixture is JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(number).collect()
}

#[track_caller]
fn assert_close(what: &str, got: f64, want: &Value, tolerance: f64) {
    let want = number(want);
    assert!((got - want).abs() <= tolerance * want.abs().max(1e-3), "{what}: got {got}, want {want}");
}

fn check_pair(case: &Value) {
    let (left, right) = (list(&case["left"]), list(&case["right"]));
    let d = stats::differences(&left, &right).unwrap();
    let what = |name: &str| format!("{name} of {left:?} - {right:?}");
    assert_close(&what("sign flip"), stats::sign_flip_p(&d).unwrap(), &case["sign_flip"], CLOSED_FORM);
    assert_close(&what("wilcoxon"), stats::wilcoxon_p(&d).unwrap(), &case["wilcoxon"], CLOSED_FORM);
    assert_close(&what("a12"), stats::a12(&left, &right).unwrap(), &case["a12"], CLOSED_FORM);
    assert_close(&what("median"), stats::median(&left).unwrap(), &case["median"], CLOSED_FORM);
    assert_close(&what("iqm"), stats::interquartile_mean(&left).unwrap(), &case["iqm"], CLOSED_FORM);
    match stats::pearson_r(&left, &right) {
        Ok(r) => assert_close(&what("r"), r, &case["r"], 1e-7),
        Err(reason) => assert!(case["r"].is_null(), "{}: {reason}", what("r")),
    }
    if let Some(interval) = case.get("mean_interval") {
        let got = stats::mean_interval(&left, 0.95).unwrap().interval;
        assert_close(&what("low"), got.0, &interval[0], CLOSED_FORM);
        assert_close(&what("high"), got.1, &interval[1], CLOSED_FORM);
    }
    if let Some(sd) = case.get("sd") {
        assert_close(&what("sd"), stats::sd(&left).unwrap(), sd, CLOSED_FORM);
        assert_close(
            &what("standard error"),
            stats::standard_error(&left).unwrap(),
            &case["standard_error"],
            CLOSED_FORM,
        );
    }
    if let Some(interval) = case.get("sd_interval") {
        let got = stats::sd_interval(&left, 0.95).unwrap().interval;
        assert_close(&what("sd low"), got.0, &interval[0], CLOSED_FORM);
        assert_close(&what("sd high"), got.1, &interval[1], CLOSED_FORM);
    }
    check_t(&d, &case["t"], what);
}

fn check_t(d: &[f64], want: &Value, what: impl Fn(&str) -> String) {
    if want.is_null() {
        let reason = stats::paired_t(d, 0.95).unwrap_err();
        assert!(matches!(reason, Degenerate::TooFew { .. } | Degenerate::ZeroVariance), "{reason}");
        assert!(stats::tost_p(d, 0.01).is_err() && stats::cohen_dz(d).is_err());
        return;
    }
    let got = stats::paired_t(d, 0.95).unwrap();
    // The differences themselves carry rounding errors near 1e-16 that small spreads magnify.
    let spread = stats::sd(d).unwrap();
    let tolerance = CLOSED_FORM.max(1e-15 / spread);
    assert_close(&what("t"), got.t, &want["t"], tolerance);
    assert_close(&what("p"), got.p, &want["p"], tolerance);
    assert_close(&what("low"), got.difference.interval.0, &want["interval"][0], tolerance);
    assert_close(&what("high"), got.difference.interval.1, &want["interval"][1], tolerance);
    assert_close(&what("dz"), stats::cohen_dz(d).unwrap(), &want["dz"], tolerance);
    assert_close(&what("gz"), stats::hedges_gz(d).unwrap(), &want["gz"], tolerance);
    assert_close(&what("tost"), stats::tost_p(d, 0.01).unwrap(), &want["tost"], tolerance);
    let corrected = stats::corrected_t(d, 0.25, 0.95).unwrap();
    assert_close(&what("corrected p"), corrected.p, &want["corrected_p"], tolerance);
    if let Some(n) = want["sample_size"].as_f64() {
        let got = stats::sample_size(stats::cohen_dz(d).unwrap(), 0.05, 0.8).unwrap();
        assert!((got - n).abs() <= ITERATIVE * n, "{}: got {got}, want {n}", what("sample size"));
    }
}

#[test]
fn the_table_of_the_specification_holds() {
    let fixture = fixture();
    for contrast in ["B-A", "C-A", "C-B"] {
        check_pair(&fixture["spec"][contrast]);
    }
    let b_minus_a = &fixture["spec"]["B-A"]["t"];
    assert!((number(&b_minus_a["t"]) - 2.064_852).abs() < 5e-7, "the fixture is the specification's");
    assert!((number(&b_minus_a["sample_size"]) - 11.27).abs() < 5e-3);
}

#[test]
fn paired_statistics_agree_with_scipy_and_statsmodels() {
    let fixture = fixture();
    let cases = fixture["pairs"].as_array().unwrap();
    assert!(cases.len() > 300);
    cases.iter().for_each(check_pair);
}

#[test]
fn power_agrees_with_statsmodels() {
    let fixture = fixture();
    for case in fixture["power"].as_array().unwrap() {
        let got = stats::power_of_paired_t(number(&case["dz"]), number(&case["n"]), number(&case["alpha"])).unwrap();
        assert!((got - number(&case["power"])).abs() < 1e-8, "{case}: got {got}");
    }
    for case in fixture["detectable"].as_array().unwrap() {
        let n = case["n"].as_u64().unwrap() as usize;
        let got = stats::minimum_detectable_dz(n, number(&case["alpha"]), 0.8).unwrap();
        assert_close(&case.to_string(), got, &case["dz"], ITERATIVE);
    }
}

#[test]
fn tests_of_counts_and_ranks_agree_with_scipy_and_statsmodels() {
    let fixture = fixture();
    for case in fixture["mcnemar"].as_array().unwrap() {
        let got = stats::mcnemar(case["b"].as_u64().unwrap(), case["c"].as_u64().unwrap());
        assert_close(&format!("exact of {case}"), got.exact, &case["exact"], CLOSED_FORM);
        assert_close(&format!("mid-p of {case}"), got.mid_p, &case["mid_p"], CLOSED_FORM);
        assert_close(&format!("corrected of {case}"), got.corrected, &case["corrected"], CLOSED_FORM);
    }
    for case in fixture["friedman"].as_array().unwrap() {
        let arms: Vec<Vec<f64>> = case["arms"].as_array().unwrap().iter().map(list).collect();
        let got = stats::friedman(&arms).unwrap();
        assert_close("chi2", got.chi2, &case["chi2"], CLOSED_FORM);
        assert_close("p", got.p, &case["p"], CLOSED_FORM);
    }
    for case in fixture["holm"].as_array().unwrap() {
        let got = stats::holm(&list(&case["p"])).unwrap();
        got.iter().zip(list(&case["adjusted"])).for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{case}"));
    }
    for case in fixture["wilson"].as_array().unwrap() {
        let got = stats::wilson_interval(case["k"].as_u64().unwrap(), case["n"].as_u64().unwrap(), 0.95).unwrap();
        assert_close(&case.to_string(), got.interval.0, &case["interval"][0], CLOSED_FORM);
        assert_close(&case.to_string(), got.interval.1, &case["interval"][1], CLOSED_FORM);
    }
}

#[test]
fn the_bootstrap_over_seeds_and_images_agrees_with_numpy() {
    // Both sides draw: 20,000 resamples here place a bound within a twentieth of the interval's width.
    let fixture = fixture();
    for case in fixture["crossed"].as_array().unwrap() {
        let table: Vec<Vec<f64>> = case["table"].as_array().unwrap().iter().map(list).collect();
        let mut rng = StudySeed(1).stream(Purpose::Bootstrap { contrast: "fixture" }, 0);
        let got = stats::crossed_bootstrap(&table, 20_000, 0.95, &mut rng).unwrap();
        assert_close("point", got.point, &case["point"], CLOSED_FORM);
        let want = list(&case["interval"]);
        let slack = (want[1] - want[0]) / 20.0;
        assert!(
            (got.interval.0 - want[0]).abs() < slack && (got.interval.1 - want[1]).abs() < slack,
            "{got:?}, {want:?}"
        );
    }
}

#[test]
fn noethers_sample_sizes_agree_with_the_closed_form() {
    let fixture = fixture();
    for case in fixture["noether"].as_array().unwrap() {
        let got = stats::noether_n(number(&case["p"]), number(&case["alpha"]), number(&case["beta"])).unwrap();
        assert_eq!(got, case["n"].as_u64().unwrap(), "{case}");
    }
}

#[test]
fn the_two_way_analysis_of_seeds_and_images_agrees_with_numpy() {
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/stats/crossed.json")).expect("the fixture is JSON");
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() > 15);
    for case in cases {
        let table: Vec<Vec<f64>> = case["table"].as_array().unwrap().iter().map(list).collect();
        let got = stats::crossed(&table).unwrap();
        assert_close("mean", got.mean, &case["mean"], CLOSED_FORM);
        assert_close("standard error", got.standard_error, &case["standard_error"], CLOSED_FORM);
        assert_close("df", got.df, &case["df"], CLOSED_FORM);
        let interval = got.estimate(0.95).unwrap().interval;
        assert_close("low", interval.0, &case["interval"][0], CLOSED_FORM);
        assert_close("high", interval.1, &case["interval"][1], CLOSED_FORM);
        assert_close("p", got.p().unwrap(), &case["p"], CLOSED_FORM);
        let equivalence = got.equivalence_p(number(&fixture["delta"])).unwrap();
        assert_close("equivalence p", equivalence, &case["equivalence_p"], CLOSED_FORM);
        for (value, want) in
            [got.seed_variance, got.image_variance, got.rest_variance].iter().zip(&list(&case["components"]))
        {
            assert!((value - want).abs() <= 1e-12, "{value}, {want}");
        }
    }
}

#[test]
fn effects_of_a_factorial_are_those_of_the_analysis_of_variance() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/stats/factorial.json")).unwrap();
    let cases = fixture["anova"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let levels: Vec<usize> = list(&case["levels"]).into_iter().map(|count| count as usize).collect();
        let design = stats::Factorial::new(levels);
        let seeds: Vec<Vec<f64>> = case["values"].as_array().unwrap().iter().map(list).collect();
        let effects = case["effects"].as_array().unwrap();
        assert_eq!(effects.len(), (1 << list(&case["levels"]).len()) - 1);
        for effect in effects {
            let switch = |factor: f64| stats::Switch { factor: factor as usize, from: 0, to: 1 };
            let weights = design.weights(&list(&effect["factors"]).into_iter().map(switch).collect::<Vec<_>>());
            let sum = |values: &Vec<f64>| weights.iter().zip(values).map(|(weight, value)| weight * value).sum::<f64>();
            let t = stats::paired_t(&seeds.iter().map(sum).collect::<Vec<_>>(), 0.95).unwrap();
            assert_close("F", t.t * t.t, &effect["F"], 1e-8);
            assert_close("p", t.p, &effect["p"], 1e-8);
        }
    }
}

#[test]
fn shares_of_a_difference_are_those_of_all_orders() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/stats/factorial.json")).unwrap();
    for case in fixture["shares"].as_array().unwrap() {
        let factors = case["factors"].as_u64().unwrap() as usize;
        let seeds: Vec<Vec<f64>> = case["values"].as_array().unwrap().iter().map(list).collect();
        let shares: Vec<Vec<f64>> =
            seeds.iter().map(|values| stats::shapley(factors, |set| values[set as usize])).collect();
        for (got, want) in shares.iter().zip(case["shares"].as_array().unwrap()) {
            got.iter()
                .zip(want.as_array().unwrap())
                .for_each(|(got, want)| assert_close("share", *got, want, CLOSED_FORM));
        }
        for (factor, want) in case["intervals"].as_array().unwrap().iter().enumerate() {
            let column: Vec<f64> = shares.iter().map(|shares| shares[factor]).collect();
            let got = stats::mean_interval(&column, 0.95).unwrap().interval;
            assert_close("low", got.0, &want[0], CLOSED_FORM);
            assert_close("high", got.1, &want[1], CLOSED_FORM);
        }
    }
}

#[test]
fn the_corrected_resampled_t_agrees_with_its_closed_form_by_scipy() {
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/stats/corrected.json")).expect("the fixture is JSON");
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 16);
    for case in cases {
        let (d, share) = (list(&case["differences"]), number(&case["test_share"]));
        let got = stats::corrected_t(&d, share, 0.95).unwrap();
        assert_close("t", got.t, &case["t"], CLOSED_FORM);
        assert_close("p", got.p, &case["p"], CLOSED_FORM);
        assert_close("low", got.difference.interval.0, &case["interval"][0], CLOSED_FORM);
        assert_close("high", got.difference.interval.1, &case["interval"][1], CLOSED_FORM);
        let equivalence = stats::corrected_tost_p(&d, share, number(&fixture["delta"])).unwrap();
        assert_close("equivalence p", equivalence, &case["equivalence_p"], CLOSED_FORM);
    }
}

#[test]
fn learning_curves_agree_with_curve_fit_and_isotonic_regression() {
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/stats/learning.json")).expect("the fixture is JSON");
    let cases = fixture["power"].as_array().unwrap();
    assert_eq!(cases.len(), 18);
    for case in cases {
        let (sizes, values) = (list(&case["sizes"]), list(&case["values"]));
        let curve = stats::learning_curve(&sizes, &values).unwrap();
        assert!(matches!(curve, stats::LearningCurve::Power(_)), "{case}");
        for (size, want) in sizes.iter().zip(case["fitted"].as_array().unwrap()) {
            assert_close("value", curve.at(*size), want, ITERATIVE);
        }
        // No worse than what scipy found: both may stop anywhere on the flat floor of the valley.
        let squares: f64 = sizes.iter().zip(&values).map(|(n, y)| (y - curve.at(*n)).powi(2)).sum();
        assert!(squares <= number(&case["sum_of_squares"]) * (1.0 + 1e-9) + 1e-18, "{squares} {case}");
        let stats::Reach::Within(n) = curve.reach(number(&case["reached"])) else { panic!("{case}") };
        assert_close("size", n, &case["size"], 1e-4);
    }
    for case in fixture["monotone"].as_array().unwrap() {
        let sizes = list(&case["sizes"]);
        let curve = stats::learning_curve(&sizes, &list(&case["values"])).unwrap();
        assert!(matches!(curve, stats::LearningCurve::Joined(_)), "{curve:?}");
        for (size, want) in sizes.iter().zip(case["fitted"].as_array().unwrap()) {
            assert_close("fitted", curve.at(*size), want, CLOSED_FORM);
        }
    }
}

#[test]
fn power_of_less_than_two_pairs_agrees_with_mpmath() {
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/stats/small_power.json")).expect("the fixture is JSON");
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 20);
    for case in cases {
        let (dz, n) = (number(&case["dz"]), number(&case["n"]));
        let got = stats::power_of_paired_t(dz, n, number(&fixture["alpha"])).unwrap();
        assert!((got - number(&case["power"])).abs() < 1e-8, "{case}: got {got}");
    }
}

#[test]
fn boundaries_of_looks_agree_with_scipys_multivariate_normal() {
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/stats/sequential.json")).expect("the fixture is JSON");
    for case in fixture["cases"].as_array().unwrap() {
        let spending: stats::Spending = serde_json::from_value(case["spending"].clone()).unwrap();
        let looks: Vec<u32> = list(&case["looks"]).into_iter().map(|look| look as u32).collect();
        let levels = stats::nominal_levels(spending, number(&case["alpha"]), &looks).unwrap();
        for (level, z) in levels.iter().zip(list(&case["z"])) {
            let want = 2.0 * (1.0 - statrs::function::erf::erf(z / std::f64::consts::SQRT_2)) / 2.0;
            // The integral behind the fixture is good to 1e-10, the root to as much over the density there.
            assert!((level - want).abs() < 1e-7, "{case}: {level} and {want}");
        }
    }
}

//! Reports of made-up studies, from record to files.

mod made_up;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Prediction, Split, TestResult};
use augtrial_compare::{ArmResults, Conduct, Excluded, RunResult, StudyResults, TestImage};
use augtrial_data::manifest::{ImageRecord, LeftOut, Manifest};
use augtrial_plan::Plan;
use augtrial_plan::dataset::Protocol;
use augtrial_plan::file::Contrast;
use augtrial_report::{
    ArmRecord, BannerFact, Drawings, ExampleRecord, FORMATS, Fact, Figures, Html, Markdown, PartRecord, Picture,
    ReportFormat as _, ReportedRun, StudyRecord, StudyView, Tables, write_report,
};
use made_up::*;

/// Every file below a folder, by relative path.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn drawn(view: &StudyView) -> Drawings {
    Drawings::draw(view, &|| false)
}

fn page(record: &StudyRecord) -> String {
    let view = StudyView::new(record);
    let files = Markdown.files(&view, &Drawings::named(&view)).unwrap();
    let page = files.into_iter().find(|file| file.path == "report.md").unwrap();
    String::from_utf8(page.bytes).unwrap()
}

#[test]
fn the_page_of_a_clean_study() {
    insta::assert_snapshot!(page(&thesis_like()));
}

#[test]
fn the_page_of_a_troubled_study_warns_before_the_first_number() {
    let page = page(&troubled());
    let head: String = page.split("## Flow of images").next().unwrap().to_owned();
    insta::assert_snapshot!(head);
    assert!(page.contains("seed 3: loss became NaN"));
}

#[test]
fn a_single_seed_is_reported_without_interval_or_verdict() {
    let page = page(&record(&[Arm("control", 0.742), Arm("traditional", 0.755)], 1));
    assert!(page.contains("no answer, since 1 of 1 planned pairs are complete"), "{page}");
    assert!(!page.contains("NaN") && !page.contains("differences.png"));
}

#[test]
fn a_study_without_any_run_still_has_a_report() {
    let mut record = thesis_like();
    record.arms.clear();
    record.results.arms.iter_mut().for_each(|arm| arm.runs.clear());
    let folder = tempfile::tempdir().unwrap();
    write_report(&StudyView::new(&record), &folder.path().join("r"), &|| false).unwrap();
    let page = fs::read_to_string(folder.path().join("r/report.md")).unwrap();
    assert!(page.contains("15 of 15 planned trials have no result") && !page.contains("NaN"), "{page}");
}

#[test]
fn the_same_view_gives_the_same_bytes_and_replaces_the_old_report() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let view = StudyView::new(&thesis_like());
    write_report(&view, &one, &|| false).unwrap();
    write_report(&view, &two, &|| false).unwrap();
    let first = contents(&one);
    assert_eq!(first, contents(&two));
    for path in
        ["report.md", "figures/accuracy-by-epoch.png", "figures/differences.svg", "tables/arms.csv", "tables/arms.tex"]
    {
        assert!(first.contains_key(path), "{path} is missing");
    }
    fs::write(one.join("stale.txt"), "from an older version").unwrap();
    write_report(&view, &one, &|| false).unwrap();
    assert_eq!(first, contents(&one));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "no temporary folder stays behind");
}

#[test]
fn a_folder_that_is_no_report_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.docx"), "precious").unwrap();
    let error = write_report(&StudyView::new(&thesis_like()), folder.path(), &|| false).unwrap_err();
    assert!(error.to_string().contains("is not a report"), "{error}");
    assert_eq!(contents(folder.path()).len(), 1);
}

#[test]
fn every_figure_of_the_page_exists_and_every_link_is_relative() {
    let view = StudyView::new(&troubled());
    let mut files: Vec<String> = Vec::new();
    let drawings = Drawings::named(&view);
    for format in FORMATS {
        files.extend(format.files(&view, &drawings).unwrap().into_iter().map(|file| file.path));
    }
    let page = page(&troubled());
    let links: Vec<&str> = page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 10);
    for link in links {
        assert!(files.iter().any(|file| file == link), "{link} is not written");
    }
}

#[test]
fn figures_are_large_and_their_svg_holds_the_words() {
    let view = StudyView::new(&thesis_like());
    let files = Figures.files(&view, &drawn(&view)).unwrap();
    let png = files.iter().find(|file| file.path == "figures/accuracy-by-epoch.png").unwrap();
    let image = image::load_from_memory(&png.bytes).unwrap().to_rgb8();
    assert_eq!(image.width(), 1600);
    assert_eq!(image.get_pixel(0, 0).0, [255, 255, 255]);
    let svg = files.iter().find(|file| file.path == "figures/accuracy-by-epoch.svg").unwrap();
    let svg = String::from_utf8(svg.bytes.clone()).unwrap();
    for words in ["Top-1 accuracy (%)", "Epoch", "Validation part", "traditional", "ip2p"] {
        assert!(svg.contains(words), "{words}");
    }
}

#[test]
fn tables_read_back_to_the_values_of_the_view() {
    let view = StudyView::new(&thesis_like());
    let files = Tables.files(&view, &Drawings::none()).unwrap();
    let csv = |name: &str| files.iter().find(|file| file.path == format!("tables/{name}.csv")).unwrap().bytes.clone();
    let bytes = csv("contrasts");
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let column = reader.headers().unwrap().iter().position(|header| header == "difference").unwrap();
    let differences: Vec<f64> = reader.records().map(|row| row.unwrap()[column].parse().unwrap()).collect();
    let expected: Vec<f64> = view.comparison.contrasts.iter().map(|c| c.judged().unwrap().effect.difference).collect();
    assert_eq!(differences, expected);
    let bytes = csv("data");
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let total = reader.records().last().unwrap().unwrap();
    // The thesis's table 1 counts five files too many.
    assert_eq!(total.iter().take(4).collect::<Vec<_>>(), ["total", "2527", "2532", "-5"]);
}

#[test]
fn same_input_same_page_and_the_page_of_a_small_study() {
    let record = record(&[Arm("control", 0.7), Arm("flips", 0.75)], 2);
    let one = html(&record);
    assert_eq!(one, html(&record));
    // Programs, styles, fonts, pictures and drawings are looked at elsewhere; what is left is the text and its order.
    let mut text = one;
    for (open, close) in [("<style>", "</style>"), ("<script", "</script>"), ("<svg", "</svg>"), ("base64,", "\"")] {
        text = cut(&text, open, close);
    }
    let head = text.split("content=\"default-src").next().unwrap().to_owned();
    let body = text.split("<body>").nth(1).unwrap();
    insta::assert_snapshot!(format!("{head}\n{body}").replace("><", ">\n<"));
}

#[test]
fn the_page_loads_nothing_its_links_resolve_and_every_id_is_its_own() {
    for record in [thesis_like(), troubled()] {
        let page = html(&record);
        let ids: Vec<&str> = attributes(&page, " id=\"").collect();
        let unique: std::collections::BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{ids:?}");
        let links: Vec<&str> = attributes(&page, " href=\"").collect();
        assert!(links.len() > 8);
        for link in links {
            assert!(
                unique.contains(link.strip_prefix('#').unwrap_or_else(|| panic!("{link} leaves the page"))),
                "{link}"
            );
        }
        for label in attributes(&page, " aria-labelledby=\"") {
            assert!(unique.contains(label), "{label}");
        }
        for source in attributes(&page, " src=\"") {
            assert!(source.starts_with("data:image/"), "{}", &source[..40.min(source.len())]);
        }
        // The one address is the name of SVG's vocabulary.
        assert!(!page.replace("http://www.w3.org/2000/svg", "").contains("://"), "nothing else is named by an address");
        assert!(!page.contains(" style=\"") && !page.contains(" onclick="), "the policy would block it");
        assert!(!page.contains("<rusty>"), "text is text");
        let read = cut(&cut(&page, "<script", "</script>"), "<style>", "</style>").replace("loss became NaN", "");
        assert!(!cut(&read, "base64,", "\"").contains("NaN"));
        assert_balanced(&page);
    }
}

#[test]
fn the_gallery_shows_source_request_and_result_and_says_what_is_missing() {
    let record = thesis_like();
    let (html, view) = (html(&record), StudyView::new(&record));
    assert_eq!(view.gallery.len(), 2, "one row per source, whatever the number of arms");
    assert!(html.contains("the edit equals its source") && html.contains("mean change 17.2 levels"));
    let files = Markdown.files(&view, &Drawings::named(&view)).unwrap();
    let page = String::from_utf8(files.iter().find(|file| file.path == "report.md").unwrap().bytes.clone()).unwrap();
    assert!(page.contains("**missing:** the edit equals its source"), "{page}");
    let pictures: Vec<&str> = page.split("](gallery/").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert_eq!(pictures.len(), 2 + 3);
    for picture in pictures {
        assert!(files.iter().any(|file| file.path == format!("gallery/{picture}")), "{picture}");
    }
}

/// The page of a study with everything that a page can show, for the browser's tests.
pub fn sample_page() -> String {
    html(&thesis_like())
}

/// The page of a study.
fn html(record: &StudyRecord) -> String {
    String::from_utf8(
        {
            let view = StudyView::new(record);
            Html.files(&view, &drawn(&view))
        }
        .unwrap()
        .remove(0)
        .bytes,
    )
    .unwrap()
}

/// The text without what stands between two marks.
fn cut(text: &str, open: &str, close: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        kept += before;
        kept += open;
        rest = &after[after.find(close).expect("what is opened is closed")..];
    }
    kept + rest
}

fn attributes<'a>(page: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    page.split(name).skip(1).filter_map(|rest| rest.split('"').next())
}

/// Every element is closed by its own end tag, in order.
fn assert_balanced(page: &str) {
    const VOID: [&str; 5] = ["meta", "img", "input", "br", "!DOCTYPE"];
    let page = cut(&cut(page, "<style>", "</style>"), "<script", "</script>");
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.split([' ', '\n', '/']).find(|part| !part.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// The clean study with so many classes that a matrix of all of them would be hundreds of megapixels.
fn many_classes(classes: u32) -> StudyRecord {
    let mut record = thesis_like();
    record.manifest.classes = (0..classes).map(|class| format!("class-{class:04}")).collect();
    record.plan.ingest.declared.clear();
    for part in &mut record.parts {
        part.counts = vec![1; classes as usize];
    }
    for arm in &mut record.arms {
        arm.counts = vec![1; classes as usize];
        for prediction in arm.runs.iter_mut().flat_map(|run| &mut run.predictions) {
            // Every sixth class has the images; of them, two are taken for each other.
            prediction.label *= classes / 6;
            prediction.predicted *= classes / 6;
        }
    }
    record
}

#[test]
fn figures_of_hundreds_of_classes_are_bounded_and_show_the_most_confused() {
    for classes in [240, 600] {
        assert!(page(&many_classes(classes)).contains(&format!("the 24 most confused of {classes} classes")));
    }
    let view = StudyView::new(&many_classes(1000));
    let drawings = drawn(&view);
    assert_eq!(drawings.missing().collect::<Vec<_>>(), []);
    let files = Figures.files(&view, &drawings).unwrap();
    let of = |name: &str| &files.iter().find(|file| file.path == name).unwrap().bytes;
    for name in ["figures/confusion-ip2p.png", "figures/recall.png"] {
        let figure = image::load_from_memory(of(name)).unwrap();
        assert!(figure.width() < 5000 && figure.height() < 9000, "{name}: {}x{}", figure.width(), figure.height());
    }
    let svg = String::from_utf8(of("figures/confusion-ip2p.svg").clone()).unwrap();
    assert!(svg.contains("class-0166"), "the classes with images are the confused ones");
}

#[test]
fn text_of_any_length_and_kind_neither_stops_the_report_nor_steers_its_reader() {
    let mut record = thesis_like();
    let hostile =
        format!("=1\u{1b}[31m\u{202e}</svg><script>alert(1)</script>\\input{{y}}\u{7} 玻璃 👩 {}", "x".repeat(100_000));
    record.manifest.classes[1].clone_from(&hostile);
    record.manifest.quarantined[0].reason.clone_from(&hostile);
    record.arms[1].missing[0].reason.clone_from(&hostile);
    record.results.arms[1].runs.remove(0);
    record.results.arms[1].excluded.push(Excluded { seed: 1, reason: hostile.clone() });
    record.plan.study.title = Some(hostile.clone());
    record.plan.study.question = Some(format!("# {hostile}"));
    let mut view = StudyView::new(&record);
    view.banner.push(BannerFact::GivenResults { file: "</p><script>alert(1)</script>.csv".to_owned() });
    let drawings = drawn(&view);
    assert_eq!(drawings.missing().count(), 0);
    for format in FORMATS {
        for file in format.files(&view, &drawings).unwrap() {
            if [".png", ".pdf", ".parquet"].iter().any(|ending| file.path.ends_with(ending)) {
                continue;
            }
            let text = String::from_utf8(file.bytes).unwrap();
            let steers = |c: char| (c.is_control() && c != '\n' && c != '\r') || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!text.contains(steers), "{}", file.path);
            let (_, ending) = file.path.rsplit_once('.').unwrap();
            assert!(!["md", "html", "svg"].contains(&ending) || !text.contains("<script>alert"), "{}", file.path);
            assert!(!text.contains(&"x".repeat(1000)), "{} holds the whole text", file.path);
            assert!(ending != "tex" || !text.contains("\\input"), "{} runs a command", file.path);
            let formula =
                ending == "csv" && text.split([',', '\n']).any(|cell| cell.trim_start_matches('"').starts_with("=1"));
            assert!(!formula, "{} holds a formula", file.path);
        }
    }
}

#[test]
fn the_answer_is_written_first_and_figures_that_were_not_drawn_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("r");
    let view = StudyView::new(&thesis_like());
    // Asked to stop at once: when the first figure would be drawn, the answer is on the disk already.
    let seen = std::sync::atomic::AtomicBool::new(false);
    let stop = || {
        seen.store(report.join("report.html").exists(), std::sync::atomic::Ordering::Relaxed);
        true
    };
    let missing = write_report(&view, &report, &stop).unwrap();
    assert!(seen.into_inner(), "the answer comes first");
    assert!(missing.contains(&"differences".to_owned()) && missing.len() > 8, "{missing:?}");
    for name in ["report.md", "report.html"] {
        let page = fs::read_to_string(report.join(name)).unwrap();
        assert!(page.contains("Missing figure") && page.contains("asked to stop"), "{name}");
        assert!(
            page.replace('\\', "").contains(&view.answers[0].replace(" %", "\u{a0}%"))
                || page.replace('\\', "").contains(&view.answers[0]),
            "{name}"
        );
    }
    assert!(!report.join("figures").exists());
    assert_eq!(write_report(&view, &report, &|| false).unwrap(), Vec::<String>::new());
    assert!(report.join("figures/differences.png").exists());
}

#[test]
fn the_text_cites_what_is_listed_and_nothing_else() {
    let mut describing = thesis_like();
    describing.plan.contrasts.clear();
    describing.results.contrasts.clear();
    for record in [thesis_like(), troubled(), describing] {
        let view = StudyView::new(&record);
        let text = view.methods.join(" ");
        for work in &view.references {
            assert!(text.contains(&work.in_text()), "{} is listed and not cited", work.key);
        }
        // Whatever looks like a citation, a name and a year, is of a listed work.
        for (at, _) in text.match_indices(['1', '2']) {
            let year: String = text[at..].chars().take_while(char::is_ascii_digit).collect();
            if year.len() == 4 && text[..at].ends_with(' ') {
                assert!(view.references.iter().any(|work| work.year.to_string() == year), "{year} in {text}");
            }
        }
    }
}

#[test]
fn a_study_of_one_arm_describes_it() {
    let mut record = record(&[Arm("control", 0.742)], 5);
    record.plan.contrasts.clear();
    record.results.contrasts.clear();
    let page = page(&record);
    assert!(page.contains("control: Top-1 accuracy ") && page.contains("no hypothesis is tested"), "{page}");
    assert!(!page.contains("Student 1908") && page.contains("### Limits"), "{page}");
}

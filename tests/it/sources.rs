//! Data sets from elsewhere: Parquet shards, and what `dataset fetch` gets.

use crate::lab::{Lab, TINY, text};
use crate::study::recorded;

#[test]
fn a_study_of_parquet_shards_runs_and_the_same_images_as_files_give_the_same_bits() {
    let shards = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/data/fixtures/parquet/hub");
    let data = |section: &str| {
        let without = TINY.replace("[dataset.synthetic]\nimages = 72\nwidth_px = 32\nheight_px = 32", section);
        without.replace("[split.stratified]\nvalidation = 0.2\ntest = 0.2", "[split.given]")
    };
    let lab = Lab::new(&data(&format!("[dataset.parquet]\npath = \"{shards}\"")));
    let done = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(done.contains("4 trials trained"), "{done}");
    let plan = lab.run(&["plan", "experiment.toml"]);
    assert!(plan.contains("training left: none") && plan.contains("paper, brown"), "{plan}");
    // The extracted files are a data set like any other.
    let extracted = std::fs::read_dir(lab.path("runs/parquet")).unwrap().map(|entry| entry.unwrap().path());
    let folder = extracted.into_iter().find(|path| path.is_dir()).unwrap();
    let table = folder.join("images.csv").display().to_string();
    let files = Lab::new(&data(&format!("[dataset.csv]\nfile = \"{table}\"\nclasses = [\"glass\", \"paper, brown\"]")));
    files.run(&["run", "experiment.toml", "-q"]);
    assert_eq!(recorded(&files), recorded(&lab));
    let error = lab.fail(3, &["plan", "experiment.toml", "--set", "dataset.parquet.label=\"labels\""]);
    assert!(error.contains("write `label = \"label\"`"), "{error}");
}

#[test]
fn a_data_set_is_fetched_from_an_archive_that_is_here_and_experiments_find_it_where_the_variable_says() {
    let lab = Lab::new("");
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (class, shade) in [("glass", 40), ("paper", 200)] {
        for number in 0..12_u8 {
            let mut png = std::io::Cursor::new(Vec::new());
            image::RgbImage::from_pixel(8, 8, image::Rgb([shade, number, 0]))
                .write_to(&mut png, image::ImageFormat::Png)
                .unwrap();
            archive.start_file(format!("photos/{class}/{number}.png"), zip::write::FileOptions::default()).unwrap();
            std::io::Write::write_all(&mut archive, png.get_ref()).unwrap();
        }
    }
    let bytes = archive.finish().unwrap().into_inner();
    let sha256 = augtrial_base::digest::Digest::of_bytes(&bytes);
    lab.write("photos.zip", &bytes);
    lab.write(
        "photos.toml",
        format!(
            "name = \"workshop\"\nlicense = \"CC0\"\n[[file]]\nurl = \"https://example.org/photos.zip\"\nsha256 = \"{sha256}\"\n\
             unpack = \"zip\"\n"
        ),
    );
    let fetch = ["dataset", "fetch", "photos.toml", "--from", "photos.zip", "--to", "elsewhere", "-q"];
    let told = lab.run(&fetch);
    for part in ["24 files", "Write `content = ", "augtrial dataset stat elsewhere/workshop", "Set AUGTRIAL_DATA"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    lab.write(
        "experiments/photos.toml",
        "[study]\nname = \"p\"\nseeds = [1]\n[dataset.folder]\npath = \"../data/workshop/photos\"\n[ingest]\nwidth_px = 32\n\
         height_px = 32\n[classifier]\nbatch_size = 8\nbudget = { epochs = 1 }\n[[arm]]\nname = \"c\"\nrole = \"control\"\n",
    );
    assert!(lab.fail(3, &["plan", "experiments/photos.toml"]).contains("data/workshop/photos"));
    let mut plan = lab.command(&["plan", "experiments/photos.toml"]);
    let found = plan.env("AUGTRIAL_DATA", lab.path("elsewhere")).output().unwrap();
    assert!(found.status.success() && text(&found.stdout).contains("paper"), "{}", text(&found.stderr));
    assert!(lab.fail(3, &fetch).contains("the recipe has no `content` to compare it with"));
    assert!(lab.fail(2, &["dataset", "fetch", "trashnt"]).contains("did you mean `trashnet`?"));
}

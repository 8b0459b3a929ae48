//! A data set, surveyed: every picture measured and every two that look alike found. What is found is kept by digest, so that
//! asking again costs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_data::cache::Picture;
use augtrial_data::ingest::OnProgress;
use augtrial_data::manifest::Manifest;
use augtrial_imaging::resize::resized;
use augtrial_imaging::ssim::ssim;

use crate::groups::complete_link;
use crate::hash::HASH_BITS;
use crate::near::{Candidate, TooManyPairs, pairs_within};
use crate::signature::{MeasureError, Signature, load, measured};
use crate::store;

/// Raised when the same signatures would give other pairs.
const FORMAT: &str = "audit-near-v1";
/// Side of the pictures whose structure is compared, px.
const THUMBNAIL_PX: u32 = 32;

/// How alike two pictures must be. The defaults were chosen on TrashNet (docs/audit.md).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// Bits of the hash that may differ, of 256.
    pub radius: u32,
    /// Structural similarity at 32 x 32 px that the least similar of the three color channels must have.
    pub similarity: f64,
}

impl Default for Reach {
    fn default() -> Self {
        Self { radius: 20, similarity: 0.84 }
    }
}

/// Two pictures that look alike: positions in the manifest, the smaller first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearPair {
    pub a: usize,
    pub b: usize,
    /// Bits of the hash that differ.
    pub distance: u32,
    /// Of the color channel where it is least.
    pub similarity: f64,
}

/// What was measured of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    pub reach: Reach,
    /// In the order of the manifest.
    pub signatures: Vec<Signature>,
    /// Pictures of equal pixels, whatever their files: two or more positions each, sorted.
    pub same_pixels: Vec<Vec<usize>>,
    /// Among pictures of different pixels, where the first of equal ones stands for all; the most alike first.
    pub near: Vec<NearPair>,
    /// Pairs whose hashes are within reach and whose structure is not.
    pub unconfirmed: usize,
}

/// A data set cannot be surveyed.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    #[error(transparent)]
    Measure(#[from] MeasureError),
    #[error(transparent)]
    TooManyPairs(#[from] TooManyPairs),
    #[error("the radius is {0}, and a hash has {HASH_BITS} bits: it lies between 0 and half of them")]
    Radius(u32),
    #[error("the similarity is {0}: it lies between 0 and 1")]
    Similarity(f64),
}

/// What is kept of the pairs.
#[derive(Serialize, Deserialize)]
struct Kept {
    near: Vec<NearPair>,
    unconfirmed: usize,
}

/// Where the pictures of a data set are, and how they are looked at.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub manifest: &'a Manifest,
    pub root: &'a Path,
    pub max_pixels: u64,
    /// Where what is found is kept.
    pub cache: &'a Path,
    /// Asked now and then whether to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl Survey {
    /// Measures a data set and finds what looks alike. `measuring` and `confirming` are told of the progress.
    ///
    /// # Errors
    /// If a file changed or cannot be read, if the reach is none, or if too many pairs are within it.
    pub fn of(
        site: &Site<'_>,
        reach: Reach,
        measuring: OnProgress<'_>,
        confirming: OnProgress<'_>,
    ) -> Result<Self, SurveyError> {
        if reach.radius > HASH_BITS / 2 {
            return Err(SurveyError::Radius(reach.radius));
        }
        if !(0.0..=1.0).contains(&reach.similarity) {
            return Err(SurveyError::Similarity(reach.similarity));
        }
        let pictures = Picture::of_records(site.root, &site.manifest.images);
        let (name, signatures) = measured(&pictures, site.max_pixels, site.cache, site.stop, measuring)?;
        let alike = by_pixels(&signatures);
        let name = Digest::of_value(FORMAT, &(name, reach));
        let kept = if let Some(kept) = store::read::<Kept>(site.cache, &name) {
            kept
        } else {
            let firsts: Vec<usize> = alike.iter().map(|positions| positions[0]).collect();
            let kept = near(site, reach, &pictures, &signatures, &firsts, confirming)?;
            store::write(site.cache, &name, &kept)
                .map_err(|source| MeasureError::Store { path: site.cache.to_owned(), source })?;
            kept
        };
        let same_pixels = alike.into_iter().filter(|positions| positions.len() > 1).collect();
        Ok(Self { reach, signatures, same_pixels, near: kept.near, unconfirmed: kept.unconfirmed })
    }

    /// Pictures that belong together: of equal pixels, and complete-link groups of those that look alike. `apart` are pairs that
    /// somebody found to show different things, `together` sets that somebody found to show the same.
    #[must_use]
    pub fn groups(&self, apart: &BTreeSet<(usize, usize)>, together: &[Vec<usize>]) -> Vec<Vec<usize>> {
        let near = self.near_but(apart).map(|pair| (pair.a, pair.b)).collect::<Vec<_>>();
        let mut sets = complete_link(&near);
        sets.extend(self.same_pixels.iter().cloned());
        sets.extend(together.iter().cloned());
        joined(sets)
    }

    /// Images of `part` that are, or look like, an image of training. `manifest` has the parts as they were divided.
    #[must_use]
    pub fn leaked(&self, manifest: &Manifest, apart: &BTreeSet<(usize, usize)>, part: Split) -> Vec<usize> {
        let same: BTreeMap<usize, &Vec<usize>> = self.same_pixels.iter().map(|set| (set[0], set)).collect();
        let all = |first: usize| same.get(&first).map_or_else(|| vec![first], |set| (*set).clone());
        let alike = self.near_but(apart).map(|pair| [all(pair.a), all(pair.b)].concat());
        let in_part = |image: usize, part: Split| manifest.images[image].split == Some(part);
        let mut found = BTreeSet::new();
        for set in alike.chain(self.same_pixels.iter().cloned()) {
            if set.iter().any(|&image| in_part(image, Split::Train)) {
                found.extend(set.into_iter().filter(|&image| in_part(image, part)));
            }
        }
        found.into_iter().collect()
    }

    /// The pairs that look alike, without those that somebody told apart: a pair stands for all pictures of its pixels.
    pub fn near_but<'s>(&'s self, apart: &'s BTreeSet<(usize, usize)>) -> impl Iterator<Item = &'s NearPair> {
        let same = |a: usize, b: usize| self.signatures[a].pixels == self.signatures[b].pixels;
        let told_apart = move |pair: &NearPair| {
            apart.iter().any(|&(a, b)| (same(a, pair.a) && same(b, pair.b)) || (same(a, pair.b) && same(b, pair.a)))
        };
        self.near.iter().filter(move |pair| !told_apart(pair))
    }
}

/// Positions by pixels, in the order of their first.
fn by_pixels(signatures: &[Signature]) -> Vec<Vec<usize>> {
    let mut sets: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
    for (position, signature) in signatures.iter().enumerate() {
        sets.entry(signature.pixels).or_default().push(position);
    }
    let mut sets: Vec<_> = sets.into_values().collect();
    sets.sort_unstable();
    sets
}

/// Sets that share a member become one.
fn joined(sets: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    let mut group_of: BTreeMap<usize, usize> = BTreeMap::new();
    let mut groups: Vec<BTreeSet<usize>> = Vec::new();
    for set in sets {
        let mut merged: BTreeSet<usize> = set.iter().copied().collect();
        let others: BTreeSet<usize> = set.iter().filter_map(|member| group_of.get(member)).copied().collect();
        for other in others {
            merged.append(&mut groups[other]);
        }
        group_of.extend(merged.iter().map(|&member| (member, groups.len())));
        groups.push(merged);
    }
    let mut groups: Vec<Vec<usize>> =
        groups.into_iter().filter(|group| group.len() > 1).map(|group| group.into_iter().collect()).collect();
    groups.sort_unstable();
    groups
}

/// The pairs among `firsts`, confirmed.
fn near(
    site: &Site<'_>,
    reach: Reach,
    pictures: &[Picture],
    signatures: &[Signature],
    firsts: &[usize],
    progress: OnProgress<'_>,
) -> Result<Kept, SurveyError> {
    let hashes: Vec<_> = firsts.iter().map(|&position| signatures[position].hash).collect();
    let candidates = pairs_within(&hashes, reach.radius)?;
    let wanted: BTreeSet<usize> =
        candidates.iter().flat_map(|pair| [pair.a, pair.b]).map(|i| firsts[i as usize]).collect();
    let wanted: Vec<usize> = wanted.into_iter().collect();
    let done = AtomicU64::new(0);
    let thumbnail = |&position: &usize| {
        if (site.stop)() {
            return Err(MeasureError::Stopped);
        }
        let channels = channels(&load(&pictures[position], site.max_pixels)?);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, wanted.len() as u64);
        Ok((position, channels))
    };
    let thumbnails: BTreeMap<usize, Channels> = wanted.par_iter().map(thumbnail).collect::<Result<_, _>>()?;
    let confirmed = |candidate: &Candidate| {
        let (a, b) = (firsts[candidate.a as usize], firsts[candidate.b as usize]);
        let similarity = similarity(&thumbnails[&a], &thumbnails[&b]);
        (similarity >= reach.similarity).then_some(NearPair { a, b, distance: candidate.distance, similarity })
    };
    let mut near: Vec<NearPair> = candidates.par_iter().filter_map(confirmed).collect();
    near.sort_by(|x, y| {
        let names = |pair: &NearPair| (pictures[pair.a].digest, pictures[pair.b].digest);
        x.distance.cmp(&y.distance).then(y.similarity.total_cmp(&x.similarity)).then_with(|| names(x).cmp(&names(y)))
    });
    Ok(Kept { unconfirmed: candidates.len() - near.len(), near })
}

/// The three color channels of a small picture.
pub(crate) type Channels = [Vec<u8>; 3];

pub(crate) fn channels(image: &image::RgbImage) -> Channels {
    let small = resized(image, THUMBNAIL_PX, THUMBNAIL_PX).expect("a picture has pixels").into_raw();
    [0, 1, 2].map(|channel| small.iter().copied().skip(channel).step_by(3).collect())
}

/// By the channel that is least alike: a yellow sheet and a white one have one structure in gray.
pub(crate) fn similarity(a: &Channels, b: &Channels) -> f64 {
    let alike = a.iter().zip(b).map(|(a, b)| ssim(a, b, THUMBNAIL_PX as usize));
    alike.fold(f64::INFINITY, f64::min)
}

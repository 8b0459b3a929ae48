//! The floor under the object and what else lies on it.

use serde::{Deserialize, Serialize};

use super::math::{Rgb, Vec3, cos, mix3, sin, smoothstep, vec3};
use super::noise::{cell, floor, fractal, gradient, hash, unit, visibility};

/// What the object lies on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Background {
    pub floor: Floor,
    /// Main color.
    pub color: Rgb,
    /// Color of joints, knots, yarn, stains: what the floor varies towards.
    pub accent: Rgb,
    /// Features per object unit.
    pub frequency: f32,
    /// Turn of the pattern.
    pub angle_rad: f32,
    /// Share of the floor's cells that hold a scrap of something else.
    pub litter: f32,
    pub seed: u32,
}

/// Kinds of floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Floor {
    /// Plain board, as in photo tents.
    Board,
    Wood,
    Concrete,
    Cloth,
    Tiles,
    Grass,
    /// A ribbed conveyor belt.
    Belt,
}

impl Floor {
    pub(super) const ALL: [Self; 7] =
        [Self::Board, Self::Wood, Self::Concrete, Self::Cloth, Self::Tiles, Self::Grass, Self::Belt];
}

/// Cells of the grid of scraps per object unit.
const CELLS_PER_UNIT: f32 = 1.1;

/// The floor at one place.
pub(super) struct Ground {
    pub albedo: Rgb,
    /// Deviation of the normal from the vertical.
    pub bump: Vec3,
    /// Strength of its mirror image, 0 to 1.
    pub gloss: f32,
}

impl Background {
    /// The floor at `(x, y)`; `footprint` is the width of a pixel there, object units.
    pub(super) fn at(&self, x: f32, y: f32, footprint: f32) -> Ground {
        let (c, s) = (cos(self.angle_rad), sin(self.angle_rad));
        let (u, v) = ((c * x + s * y) * self.frequency, (c * y - s * x) * self.frequency);
        let grain = footprint * self.frequency;
        let mut ground = match self.floor {
            Floor::Board => self.board(u, v, grain),
            Floor::Wood => self.wood(u, v, grain),
            Floor::Concrete => self.concrete(u, v, grain),
            Floor::Cloth => self.cloth(u, v, grain),
            Floor::Tiles => self.tiles(u, v, grain),
            Floor::Grass => self.grass(u, v, grain),
            Floor::Belt => self.belt(u, v, grain),
        };
        self.strew(&mut ground, c * x + s * y, c * y - s * x, footprint);
        ground.albedo = ground.albedo.map(|channel| channel.clamp(0.01, 0.95));
        ground
    }

    /// A mean color, for light that the floor gives back.
    pub(super) fn mean_color(&self) -> Rgb {
        mix3(self.color, self.accent, 0.25)
    }

    fn board(&self, u: f32, v: f32, grain: f32) -> Ground {
        let cloud = fractal(vec3(u * 0.4, v * 0.4, 0.0), 2, grain * 0.4, self.seed);
        let fine = fractal(vec3(u * 9.0, v * 9.0, 0.5), 2, grain * 9.0, self.seed ^ 1);
        Ground { albedo: self.color * (1.0 + 0.06 * cloud + 0.06 * fine), bump: Vec3::ZERO, gloss: 0.0 }
    }

    fn wood(&self, u: f32, v: f32, grain: f32) -> Ground {
        let plank = v.floor();
        let tone = cell(plank as i32, 0, self.seed);
        let along = u * 0.25 + tone * 40.0;
        let rings = gradient(vec3(along, v * 2.2, tone * 9.0), self.seed ^ 2) * 3.0 + v * 1.5;
        let ring = (rings - rings.floor() - 0.5).abs() * 2.0;
        let streak = fractal(vec3(u * 0.9, v * 14.0, tone), 2, grain * 5.0, self.seed ^ 3);
        let seen = visibility(0.35, grain);
        let joint = 1.0 - smoothstep(0.0, 0.04 + grain, (v - plank).min(plank + 1.0 - v));
        let share = (0.45 * ring * seen + 0.35 * streak + 0.4 * (tone - 0.5) + 0.15).clamp(0.0, 1.0);
        let albedo = mix3(self.color, self.accent, share) * (1.0 - 0.6 * joint * visibility(1.0, grain));
        Ground { albedo, bump: Vec3::ZERO, gloss: 0.12 }
    }

    fn concrete(&self, u: f32, v: f32, grain: f32) -> Ground {
        let cloud = fractal(vec3(u, v, 0.0), 4, grain, self.seed);
        let speck = gradient(vec3(u * 14.0, v * 14.0, 2.0), self.seed ^ 4) * visibility(0.07, grain);
        let pits = smoothstep(0.45, 0.6, speck);
        let share = (0.3 + 0.5 * cloud + 0.5 * pits).clamp(0.0, 1.0);
        let bump = vec3(speck * 0.18, gradient(vec3(u * 14.0, v * 14.0, 7.0), self.seed) * 0.18, 0.0);
        Ground { albedo: mix3(self.color, self.accent, share), bump: bump * visibility(0.07, grain), gloss: 0.0 }
    }

    fn cloth(&self, u: f32, v: f32, grain: f32) -> Ground {
        let (warp, weft) = (sin(u * 40.0), sin(v * 40.0));
        let seen = visibility(0.16, grain);
        let weave = warp * weft * seen;
        let fold = gradient(vec3(u * 0.7, v * 0.3, 0.0), self.seed);
        let slope = gradient(vec3(u * 0.7 + 0.15, v * 0.3, 0.0), self.seed) - fold;
        let stripe = if cell(floor(u * 1.3), 1, self.seed) < 0.3 { 0.7 } else { 0.0 };
        let albedo = mix3(self.color, self.accent, stripe) * (1.0 + 0.22 * weave + 0.1 * fold);
        Ground { albedo, bump: vec3(slope * 1.6 + 0.12 * warp * seen, 0.12 * weft * seen, 0.0), gloss: 0.0 }
    }

    fn tiles(&self, u: f32, v: f32, grain: f32) -> Ground {
        let (column, row) = (u.floor(), v.floor());
        let edge = (u - column).min(column + 1.0 - u).min(v - row).min(row + 1.0 - v);
        let joint = 1.0 - smoothstep(0.02, 0.05 + grain, edge);
        let tone = cell(column as i32, row as i32, self.seed);
        let marble = fractal(vec3(u * 1.5, v * 1.5, tone * 30.0), 3, grain * 1.5, self.seed ^ 5);
        let tile = self.color * (0.92 + 0.16 * tone + 0.14 * marble);
        Ground { albedo: mix3(tile, self.accent, joint), bump: Vec3::ZERO, gloss: 0.35 * (1.0 - joint) }
    }

    fn grass(&self, u: f32, v: f32, grain: f32) -> Ground {
        let bend = gradient(vec3(u, v, 0.0), self.seed) * 0.25;
        let blade = fractal(vec3((u + bend) * 12.0, v * 3.5, 0.0), 3, grain * 7.0, self.seed ^ 6);
        let patch = gradient(vec3(u * 0.8, v * 0.8, 3.0), self.seed ^ 7);
        let share = (0.45 + 0.8 * blade + 0.35 * patch).clamp(0.0, 1.0);
        let lean = gradient(vec3(u * 9.0, v * 4.0, 8.0), self.seed ^ 8) * visibility(0.12, grain);
        Ground {
            albedo: mix3(self.accent, self.color, share) * (0.7 + 0.5 * share),
            bump: vec3(0.5 * lean, 0.3 * blade, 0.0),
            gloss: 0.0,
        }
    }

    fn belt(&self, u: f32, v: f32, grain: f32) -> Ground {
        let rib = sin(u * 16.0) * visibility(0.4, grain);
        let worn = fractal(vec3(u * 0.6, v * 3.0, 0.0), 3, grain * 2.0, self.seed ^ 9);
        let dust = smoothstep(0.15, 0.5, fractal(vec3(u * 2.0, v * 2.0, 4.0), 3, grain * 2.0, self.seed ^ 0xa));
        let albedo = mix3(self.color * (1.0 + 0.35 * rib + 0.3 * worn), self.accent, 0.35 * dust);
        Ground { albedo, bump: vec3(0.35 * rib, 0.0, 0.0), gloss: 0.06 }
    }

    /// Scraps: small flat pieces of any color, at most one in each cell of a grid.
    fn strew(&self, ground: &mut Ground, x: f32, y: f32, footprint: f32) {
        if self.litter <= 0.0 {
            return;
        }
        let (u, v) = (x * CELLS_PER_UNIT, y * CELLS_PER_UNIT);
        let (column, row) = (floor(u), floor(v));
        let draw = |what: i32| unit(hash(column, row, what, self.seed ^ 0x1177));
        if draw(0) >= self.litter {
            return;
        }
        let (dx, dy) = (u - column as f32 - 0.35 - 0.3 * draw(1), v - row as f32 - 0.35 - 0.3 * draw(2));
        let (c, s) = (cos(draw(3) * 6.3), sin(draw(3) * 6.3));
        let (a, b) = ((c * dx + s * dy).abs() - 0.06 - 0.18 * draw(4), (c * dy - s * dx).abs() - 0.05 - 0.1 * draw(5));
        let ragged = 0.03 * gradient(vec3(u * 8.0, v * 8.0, 0.0), self.seed ^ 0xb);
        let round = (dx * dx + dy * dy).sqrt() - 0.06 - 0.1 * draw(4);
        let outline = if draw(6) < 0.3 { round } else { a.max(b) } + ragged;
        let soft = 0.01 + footprint * CELLS_PER_UNIT * 0.5;
        let cover = 1.0 - smoothstep(-soft, soft, outline);
        let rim = 1.0 - smoothstep(0.0, 0.07, outline);
        let scrap = vec3(draw(7), draw(8), draw(9)).map(|channel| 0.06 + 0.6 * channel * channel + 0.15 * draw(10));
        ground.albedo = mix3(ground.albedo * (1.0 - 0.35 * rim), scrap, cover);
        ground.gloss *= 1.0 - cover;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn background(floor: Floor) -> Background {
        let (color, accent) = (vec3(0.5, 0.4, 0.3), vec3(0.2, 0.2, 0.2));
        Background { floor, color, accent, frequency: 1.0, angle_rad: 0.4, litter: 0.0, seed: 5 }
    }

    fn variance(background: &Background, footprint: f32) -> f32 {
        let values: Vec<f32> = (0..900)
            .map(|i| background.at((i % 30) as f32 * 0.0517, (i / 30) as f32 * 0.0517, footprint).albedo.luminance())
            .collect();
        let mean = values.iter().sum::<f32>() / 900.0;
        values.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / 900.0
    }

    #[test]
    fn every_floor_has_a_pattern_that_fades_in_wide_pixels() {
        for floor in Floor::ALL {
            let (near, far) = (variance(&background(floor), 0.001), variance(&background(floor), 3.0));
            assert!(near > 1e-5 && far < near, "{floor:?}: {near} and {far}");
        }
    }

    #[test]
    fn litter_lies_on_as_large_a_share_as_it_is_asked_for() {
        let clean = background(Floor::Board);
        let changed = |litter: f32| {
            let strewn = Background { litter, ..clean.clone() };
            let differs = |i: i32| {
                let (x, y) = ((i % 40) as f32 * 0.3, (i / 40) as f32 * 0.3);
                strewn.at(x, y, 0.01).albedo != clean.at(x, y, 0.01).albedo
            };
            (0..1600).filter(|&i| differs(i)).count()
        };
        assert_eq!(changed(0.0), 0);
        assert!(changed(0.2) > 10 && changed(0.2) < changed(0.9), "{} and {}", changed(0.2), changed(0.9));
    }
}

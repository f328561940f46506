//! What of a framebuffer a flip takes over.

use dirql::class::display::Rectangle;

/// Parts that are taken over one by one, at most. More are joined to one.
pub(super) const DAMAGE: usize = 8;

/// What of the damage lies within a framebuffer: so many of the rectangles, and no more than `most`.
pub(super) fn parts(damage: &[Rectangle], size: (u32, u32), most: usize) -> ([Rectangle; DAMAGE], usize) {
    let within = || damage.iter().filter_map(|part| part.within(size.0, size.1));
    let mut parts = [Rectangle::whole(0, 0); DAMAGE];
    let count = within().count();
    if count <= most.min(DAMAGE) {
        parts.iter_mut().zip(within()).for_each(|(part, damaged)| *part = damaged);
        return (parts, count);
    }
    if let Some(all) = within().reduce(Rectangle::join) {
        parts[0] = all;
    }
    (parts, 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is damaged is taken over, and nothing outside of the framebuffer.
        #[test]
        fn every_damaged_pixel_is_taken_over(
            damage in prop::collection::vec((0_u32..20, 0_u32..20, 0_u32..9, 0_u32..9), 0..14),
            most in 1_usize..10,
        ) {
            let damage: Vec<_> =
                damage.into_iter().map(|(x, y, width, height)| Rectangle { x, y, width, height }).collect();
            let (parts, count) = parts(&damage, (16, 12), most);
            let parts = &parts[..count];
            prop_assert!(count <= most.min(DAMAGE));
            let has = |part: &Rectangle, x: u32, y: u32| {
                (part.x..part.x + part.width).contains(&x) && (part.y..part.y + part.height).contains(&y)
            };
            for (x, y) in (0..24).flat_map(|x| (0..24).map(move |y| (x, y))) {
                let inside = x < 16 && y < 12;
                let damaged = damage.iter().any(|part| has(part, x, y));
                let taken = parts.iter().any(|part| has(part, x, y));
                prop_assert!(taken || !(damaged && inside));
                prop_assert!(inside || !taken);
            }
        }
    }
}

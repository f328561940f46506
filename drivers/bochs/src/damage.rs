//! What a page of video memory does not hold yet.

use dirql::class::display::Rectangle;

/// Parts that are kept apart.
const PARTS: usize = 16;

/// Parts of a picture. Of many, it is the rectangle around them.
#[derive(Debug, Clone, Default)]
pub struct Damage {
    parts: Vec<Rectangle>,
}

impl Damage {
    /// All of a picture.
    pub fn whole(width: u32, height: u32) -> Self {
        Self { parts: vec![Rectangle::whole(width, height)] }
    }

    /// Adds a part.
    pub fn add(&mut self, part: Rectangle) {
        if self.parts.iter().any(|known| known.join(part) == *known) {
            return;
        }
        self.parts.retain(|known| known.join(part) != part);
        self.parts.push(part);
        if self.parts.len() > PARTS {
            self.parts = self.parts.drain(..).reduce(Rectangle::join).into_iter().collect();
        }
    }

    /// The parts.
    pub fn parts(&self) -> &[Rectangle] {
        &self.parts
    }

    /// Nothing is left of it.
    pub fn clear(&mut self) {
        self.parts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: u32, y: u32) -> Rectangle {
        Rectangle { x, y, width: 2, height: 2 }
    }

    #[test]
    fn few_parts_stay_apart_and_many_become_one() {
        let mut damage = Damage::default();
        (0..PARTS as u32).for_each(|number| damage.add(at(4 * number, 8)));
        damage.add(at(0, 8));
        assert_eq!(damage.parts().len(), PARTS);
        damage.add(at(1, 0));
        assert_eq!(damage.parts(), [Rectangle { x: 0, y: 0, width: 62, height: 10 }]);
        damage.add(at(60, 8));
        assert_eq!(damage.parts().len(), 1);
        damage.add(at(70, 70));
        damage.add(Rectangle::whole(90, 90));
        assert_eq!(damage.parts(), [Rectangle::whole(90, 90)]);
        damage.clear();
        assert_eq!(damage.parts(), []);
    }
}

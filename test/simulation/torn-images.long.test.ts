// A million torn images of each design: none is taken for a value that nobody wrote (F4, I5).

import { hold, Prng } from "@pdpm/base";
import { tornIsNotBelieved } from "@pdpm/checker";
import { expect, test } from "vitest";
import { beginNote } from "./evidence/note.ts";
import {
  type Believed,
  centralImage,
  cloverImage,
  directImage,
  type Image,
  mixOf,
  twoImages,
} from "./torn-images.ts";

const imagesOfDesign = 1_000_000;
/** Mixes of one pair of images. */
const mixesOfPair = 20;

/** Whether a reader who means `meant` may believe this, as the content of `image`. */
function isRight({ value, version }: Believed, meant: Image, image: Image): boolean {
  if (image.key !== meant.key || image.life !== meant.life) return false;
  return version === image.version && Buffer.compare(value, image.value) === 0;
}

test.each([
  ["clover", cloverImage],
  ["central", centralImage],
  ["direct", directImage],
] as const)("%s: a torn image is one of the two that it mixes, or none", (name, make) => {
  const note = beginNote("torn", name, "simulated", name);
  const prng = new Prng(`torn images of ${name}`);
  let images = 0;
  let believed = 0;
  let refused = 0;
  const wrong: string[] = [];
  for (let n = 0; n < imagesOfDesign / mixesOfPair; n += 1) {
    const pair = twoImages(make, prng);
    for (let i = 0; i < mixesOfPair; i += 1) {
      const mix = mixOf(prng, pair[0].bytes, pair[1].bytes);
      images += 1;
      for (const meant of pair) {
        for (const found of meant.read(mix)) {
          if (found === undefined) refused += 1;
          else if (pair.some((image) => isRight(found, meant, image))) believed += 1;
          else wrong.push(`pair ${n}, mix ${i}: a value that nobody wrote`);
        }
      }
    }
  }
  hold(tornIsNotBelieved(wrong));
  // Whole ones are among them, and are believed; most are not whole.
  expect(believed).toBeGreaterThan(imagesOfDesign / 100);
  expect(refused).toBeGreaterThan(imagesOfDesign / 2);
  note({ images, believed, refused });
});

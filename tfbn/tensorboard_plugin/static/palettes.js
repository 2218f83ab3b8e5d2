// Color scales that are even to the eye and that color-blind people can read; 64 colors each, with steps between.
// Cividis: Nunez, Anderton and Renslow, 2018. Viridis: van der Walt and Smith, 2015; both public domain (CC0).

const HEX = {
  cividis:
    "00224e00255400285b002b62002e6a0030700533711235701a386f213b6e273e6e2d416d32436d36466c3b496c3f4c6c" +
    "444f6c48526c4c556c50576c545a6d575d6d5b606e5e636f62656f656870696b716c6e727071737374757777767a7a78" +
    "7e7d788280798683798a86788e8978928c78958f779992779d9576a19975a59c74a99f73ada272b1a570b6a96fbaac6d" +
    "bfb06bc3b369c7b767ccba64d0be62d4c15fd9c55cddc858e1cc55e6d051ead34cefd748f3db42f8df3cfde334fee838",
  viridis:
    "44015446075a470d6047136548186a481d6f482374482878472d7b46327e453781443b844240864045883e49893d4e8a" +
    "3a538b38588c365c8d34608d32648e31688e2f6c8e2d708e2c738e2a778e297b8e277f8e26828e24868e238a8d218e8d" +
    "20928c1f968b1f9a8a1f9e891fa18721a58523a98326ad812ab07f2fb47c35b7793bbb7542be714ac16d52c5695ac864" +
    "65cb5e6ece5877d15381d34d8bd64695d840a0da39aadc32b5de2bc0df25cae11fd5e21adfe318eae51af4e61efde725",
  // Of differences: dark blue, gray in the middle, light orange, so that the sign shows without hue too.
  difference:
    "003789003b89063f88104388194787214a87284e862f52853655843d5983445d824b61815265805a687e626d7d6b717a" +
    "777777877f769385759d8b74a78f73b19471ba9970c39d6ecca16cd4a56adda967e5ad65edb162f5b55ffdb85cffbc58" +
    "ffbf54",
};

// What exactly 0 looks like: a hatch of two colors, each far from every color of every palette. Light, dark.
const ZERO = [
  ["ffffff", "cdd2d8"],
  ["000000", "c9ced5"],
];

/** The hatch of exactly 0: `[ground, stripe]`, each `[red, green, blue]`. */
export function zeroColors(dark) {
  return ZERO[dark ? 1 : 0].map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
}

/** A palette as `share => [red, green, blue]`, the share being in [0, 1]. */
export function palette(name) {
  const hex = HEX[name];
  const stops = hex.length / 6;
  const channel = (stop, i) => parseInt(hex.slice(6 * stop + 2 * i, 6 * stop + 2 * i + 2), 16);
  const table = Array.from({ length: 256 }, (_, i) => {
    const place = (i / 255) * (stops - 1);
    const low = Math.min(Math.floor(place), stops - 2);
    return [0, 1, 2].map((c) =>
      Math.round(channel(low, c) + (place - low) * (channel(low + 1, c) - channel(low, c))),
    );
  });
  return (share) => table[Math.round(255 * Math.min(1, Math.max(0, share)))];
}

import { inspector } from "../views/inspector.js";
import { widget } from "../views/render.js";

export default widget("rounding error of every neuron", (ctx) => {
  ctx.root.classList.add("wb-alone");
  ctx.root.append(inspector(ctx, ["Rounding"]).el);
});

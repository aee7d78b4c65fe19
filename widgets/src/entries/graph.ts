import { graphPane } from "../views/graph.js";
import { widget } from "../views/render.js";

export default widget("computation graph", (ctx) => {
  ctx.root.classList.add("wb-alone");
  ctx.root.append(graphPane(ctx, () => undefined).el);
});

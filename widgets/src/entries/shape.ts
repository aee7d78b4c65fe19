import { widget } from "../views/render.js";
import { shapeView } from "../views/shape.js";

export default widget("shapes of layers", shapeView);

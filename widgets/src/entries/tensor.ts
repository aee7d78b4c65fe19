import { widget } from "../views/render.js";
import { tensorView } from "../views/tensor.js";

export default widget("tensor", tensorView);

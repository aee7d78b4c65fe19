import { confusionView } from "../views/confusion.js";
import { widget } from "../views/render.js";

export default widget("confusion matrix", confusionView);

import { widget } from "../views/render.js";
import { trainingView } from "../views/training.js";

export default widget("training", trainingView);

import { certificateView } from "../views/certificate.js";
import { widget } from "../views/render.js";

export default widget("certificate of a proof", certificateView);

export { OntologyForm } from "./OntologyForm";
export { NEW_ONTOLOGY, bodyOf, draftOf, missingIn, newQuestion, type DraftOntology, type Modality } from "./draft";

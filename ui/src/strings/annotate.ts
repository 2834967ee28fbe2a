export const annotate = {} as const;

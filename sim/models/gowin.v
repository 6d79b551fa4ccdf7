// Behaviour of the Gowin block RAMs and multipliers that synthesis uses, to simulate a netlist; the
// other cells are in Yosys' library. A parameter or mode that is not modelled stops the simulation.
// The netlist has no global set and reset: registers start at what their parameters say.

// 32 bytes in each parameter, and all in one word.
`define GOWIN_CONTENTS(UNIT) \
    parameter [32*UNIT-1:0] INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_04 = 0, INIT_RAM_05 = 0, INIT_RAM_06 = 0, INIT_RAM_07 = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_10 = 0, INIT_RAM_11 = 0, INIT_RAM_12 = 0, INIT_RAM_13 = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17 = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_1C = 0, INIT_RAM_1D = 0, INIT_RAM_1E = 0, INIT_RAM_1F = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23 = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_28 = 0, INIT_RAM_29 = 0, INIT_RAM_2A = 0, INIT_RAM_2B = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_34 = 0, INIT_RAM_35 = 0, INIT_RAM_36 = 0, INIT_RAM_37 = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B = 0; \
    parameter [32*UNIT-1:0] INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0;
`define GOWIN_ALL_CONTENTS { \
    INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, \
    INIT_RAM_39, INIT_RAM_38, INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, \
    INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30, INIT_RAM_2F, INIT_RAM_2E, \
    INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28, \
    INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, \
    INIT_RAM_21, INIT_RAM_20, INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, \
    INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18, INIT_RAM_17, INIT_RAM_16, \
    INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10, \
    INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, \
    INIT_RAM_09, INIT_RAM_08, INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, \
    INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00}

// What the primitives with bytes of 8 and of 9 bits share: parameters and inputs of the RAM, and its
// connections.
`define GOWIN_SINGLE(UNIT) \
    parameter READ_MODE = 1'b0; \
    parameter [1:0] WRITE_MODE = 0; \
    parameter [31:0] BIT_WIDTH = 4*UNIT; \
    parameter BLK_SEL = 3'b000; \
    parameter RESET_MODE = "SYNC"; \
    `GOWIN_CONTENTS(UNIT) \
    wire [71:0] in = DI; \
    wire [71:0] out; \
    assign DO = out[4*UNIT-1:0];
`define GOWIN_SINGLE_RAM(BYTE) \
    #(.UNIT(BYTE), .WIDTHS(BIT_WIDTH), .WRITE_MODES(WRITE_MODE), .READ_MODES(READ_MODE), \
      .RESET_MODE(RESET_MODE), .CONTENTS(`GOWIN_ALL_CONTENTS)) \
    ram(.CLK({1'b0, CLK}), .CE({1'b0, CE && BLKSEL == BLK_SEL}), .OCE({1'b0, OCE}), \
        .WRE({1'b0, WRE}), .RESET({1'b0, RESET}), .AD({14'd0, AD}), .DI(in), .DO(out));
`define GOWIN_TWO_PORTS(UNIT, WIDTH) \
    parameter [31:0] BIT_WIDTH_0 = WIDTH; \
    parameter [31:0] BIT_WIDTH_1 = WIDTH; \
    parameter BLK_SEL_0 = 3'b000; \
    parameter BLK_SEL_1 = 3'b000; \
    parameter RESET_MODE = "SYNC"; \
    `GOWIN_CONTENTS(UNIT) \
    wire [71:0] out;
`define GOWIN_TWO_PORTS_RAM(BYTE, WRITES, READS, OUTPUT_ENABLES, WRITE_ENABLES, IN) \
    #(.UNIT(BYTE), .WIDTHS({BIT_WIDTH_1, BIT_WIDTH_0}), .WRITE_MODES(WRITES), .READ_MODES(READS), \
      .RESET_MODE(RESET_MODE), .CONTENTS(`GOWIN_ALL_CONTENTS)) \
    ram(.CLK({CLKB, CLKA}), .CE({CEB && BLKSELB == BLK_SEL_1, CEA && BLKSELA == BLK_SEL_0}), \
        .OCE(OUTPUT_ENABLES), .WRE(WRITE_ENABLES), .RESET({RESETB, RESETA}), .AD({ADB, ADA}), \
        .DI(IN), .DO(out));
// Port A writes, port B reads.
`define GOWIN_WRITE_READ(UNIT) \
    parameter READ_MODE = 1'b0; \
    `GOWIN_TWO_PORTS(UNIT, 4*UNIT) \
    wire [71:0] in = DI; \
    assign DO = out[36 +: 4*UNIT];
`define GOWIN_WRITE_READ_RAM(BYTE) \
    `GOWIN_TWO_PORTS_RAM(BYTE, 4'd0, {READ_MODE, 1'b0}, {OCE, 1'b0}, 2'b01, in)
`define GOWIN_SHARED(UNIT) \
    parameter READ_MODE0 = 1'b0; \
    parameter READ_MODE1 = 1'b0; \
    parameter [1:0] WRITE_MODE0 = 0; \
    parameter [1:0] WRITE_MODE1 = 0; \
    `GOWIN_TWO_PORTS(UNIT, 2*UNIT) \
    wire [35:0] in_a = DIA, in_b = DIB; \
    wire [71:0] in = {in_b, in_a}; \
    assign DOA = out[2*UNIT-1:0]; \
    assign DOB = out[36 +: 2*UNIT];
`define GOWIN_SHARED_RAM(BYTE) \
    `GOWIN_TWO_PORTS_RAM(BYTE, {WRITE_MODE1, WRITE_MODE0}, {READ_MODE1, READ_MODE0}, \
        {OCEB, OCEA}, {WREB, WREA}, in)

// The same of the multipliers.
`define GOWIN_MULTIPLIER \
    parameter AREG = 1'b0; \
    parameter BREG = 1'b0; \
    parameter ASIGN_REG = 1'b0; \
    parameter BSIGN_REG = 1'b0; \
    parameter PIPE_REG = 1'b0; \
    parameter OUT_REG = 1'b0; \
    parameter MULT_RESET_MODE = "SYNC";
`define GOWIN_MULTIPLIER_OF(WIDTH_) \
    #(.WIDTH(WIDTH_), .AREG(AREG), .BREG(BREG), .ASIGN_REG(ASIGN_REG), .BSIGN_REG(BSIGN_REG), \
      .PIPE_REG(PIPE_REG), .OUT_REG(OUT_REG), .RESET_MODE(MULT_RESET_MODE)) \
    multiplier(.A(A), .B(B), .ASIGN(ASIGN), .BSIGN(BSIGN), .ASEL(ASEL), .BSEL(BSEL), .CE(CE), \
               .CLK(CLK), .RESET(RESET), .DOUT(DOUT));

// 2048 bytes of UNIT bits (8 or 9) behind two ports A and B, bit 0 and 1 of each argument, of 1 to
// 4 * UNIT bits each. Address bits below a port's width are not used; from two bytes on they are
// byte enables. A bit read on one port while the other writes it is undefined in the part and comes
// out inverted here, so that a design that uses it fails.
module gowin_ram(input [1:0] CLK, CE, OCE, WRE, RESET, input [27:0] AD, input [71:0] DI,
                 output [71:0] DO);
    parameter UNIT = 8;
    parameter [63:0] WIDTHS = 0;
    parameter [3:0] WRITE_MODES = 0;
    parameter [1:0] READ_MODES = 0;
    parameter RESET_MODE = "SYNC";
    parameter [2048*UNIT-1:0] CONTENTS = 0;

    reg [UNIT-1:0] bytes [0:2047];
    reg [32*UNIT-1:0] line;
    integer i, j;
    initial for (i = 0; i < 64; i = i + 1) begin
        line = CONTENTS[32*UNIT*i +: 32*UNIT];
        for (j = 0; j < 32; j = j + 1) bytes[32*i + j] = line[UNIT*j +: UNIT];
    end

    // The bits that each port is writing: mask of a byte, enables of the bytes from base on.
    wire [2*UNIT-1:0] masks;
    wire [7:0] writes;
    wire [21:0] bases;
    genvar p;
    generate for (p = 0; p < 2; p = p + 1) begin : port
        localparam WIDTH = WIDTHS[32*p +: 32];
        localparam [2:0] BYTES = WIDTH < UNIT ? 1 : WIDTH / UNIT;
        localparam [10:0] WITHIN = BYTES - 1;
        localparam [10:0] OTHERS = (WIDTHS[32*(1-p) +: 32] < UNIT ? 1
                                    : WIDTHS[32*(1-p) +: 32] / UNIT) - 1;
        localparam [UNIT-1:0] MASK = WIDTH < UNIT ? (1 << WIDTH) - 1 : {UNIT{1'b1}};
        localparam WRITE_MODE = WRITE_MODES[2*p +: 2];
        wire [13:0] address = AD[14*p +: 14];
        wire [35:0] in = DI[36*p +: 36];
        wire [10:0] base = address[13:3] & ~WITHIN;
        wire [2:0] low = WIDTH < UNIT ? address[2:0] & ~(WIDTH[2:0] - 3'd1) : 3'd0;
        assign masks[UNIT*p +: UNIT] = MASK << low;
        assign bases[11*p +: 11] = base;
        assign writes[4*p +: 4] = {4{CE[p] & WRE[p]}}
            & (BYTES == 1 ? 4'd1 : BYTES == 2 ? {2'd0, address[1:0]} : address[3:0]);

        function [UNIT-1:0] hit(input [10:0] at, input [10:0] base, input [3:0] write,
                                input [UNIT-1:0] mask);
            hit = (at & ~OTHERS) == base && write[at & OTHERS] ? mask : {UNIT{1'b0}};
        endfunction

        reg [35:0] latch = 0, held = 0;
        reg [UNIT-1:0] was, now;
        integer k;
        always @(posedge CLK[p]) begin
            for (k = 0; k < BYTES; k = k + 1) begin
                was = bytes[base + k];
                now = was & ~masks[UNIT*p +: UNIT]
                    | (in[UNIT*k +: UNIT] << low) & masks[UNIT*p +: UNIT];
                if (writes[4*p + k]) bytes[base + k] <= now;
                if (writes[4*p + k] && WRITE_MODE == 1) was = now;
                was = was ^ hit(base + k, bases[11*(1-p) +: 11], writes[4*(1-p) +: 4],
                                masks[UNIT*(1-p) +: UNIT]);
                if (CE[p] && !(WRE[p] && WRITE_MODE == 0))
                    latch[UNIT*k +: UNIT] <= (was >> low) & MASK;
            end
            if (OCE[p]) held <= latch;
            if (RESET[p]) begin
                latch <= 0;
                held <= 0;
            end
        end
        assign DO[36*p +: 36] = READ_MODES[p] ? held : latch;
    end endgenerate

    // A reset, where there is one, is modelled as a synchronous one.
    wire bad_reset = RESET_MODE != "SYNC" && |RESET;
    always @(posedge bad_reset) begin
        $display("ERROR: a block RAM with an asynchronous reset");
        $finish;
    end
endmodule

module SP(input CLK, CE, OCE, WRE, RESET, input [2:0] BLKSEL, input [13:0] AD,
    input [31:0] DI, output [31:0] DO);
    `GOWIN_SINGLE(8)
    gowin_ram `GOWIN_SINGLE_RAM(8)
endmodule

module SPX9(input CLK, CE, OCE, WRE, RESET, input [2:0] BLKSEL, input [13:0] AD,
    input [35:0] DI, output [35:0] DO);
    `GOWIN_SINGLE(9)
    gowin_ram `GOWIN_SINGLE_RAM(9)
endmodule

module SDPB(input CLKA, CEA, RESETA, CLKB, CEB, OCE, RESETB, input [2:0] BLKSELA, BLKSELB,
    input [13:0] ADA, ADB, input [31:0] DI, output [31:0] DO);
    `GOWIN_WRITE_READ(8)
    gowin_ram `GOWIN_WRITE_READ_RAM(8)
endmodule

module SDPX9B(input CLKA, CEA, RESETA, CLKB, CEB, OCE, RESETB, input [2:0] BLKSELA, BLKSELB,
    input [13:0] ADA, ADB, input [35:0] DI, output [35:0] DO);
    `GOWIN_WRITE_READ(9)
    gowin_ram `GOWIN_WRITE_READ_RAM(9)
endmodule

module DPB(input CLKA, CEA, OCEA, WREA, RESETA, CLKB, CEB, OCEB, WREB, RESETB,
    input [2:0] BLKSELA, BLKSELB, input [13:0] ADA, ADB, input [15:0] DIA, DIB,
    output [15:0] DOA, DOB);
    `GOWIN_SHARED(8)
    gowin_ram `GOWIN_SHARED_RAM(8)
endmodule

module DPX9B(input CLKA, CEA, OCEA, WREA, RESETA, CLKB, CEB, OCEB, WREB, RESETB,
    input [2:0] BLKSELA, BLKSELB, input [13:0] ADA, ADB, input [17:0] DIA, DIB,
    output [17:0] DOA, DOB);
    `GOWIN_SHARED(9)
    gowin_ram `GOWIN_SHARED_RAM(9)
endmodule

// Product of two operands of WIDTH bits, each signed or not, with the registers that are turned on.
// An operand's sign has a register of its own.
module gowin_multiplier(A, B, ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET, DOUT);
    parameter WIDTH = 18;
    parameter AREG = 0, BREG = 0, ASIGN_REG = 0, BSIGN_REG = 0, PIPE_REG = 0, OUT_REG = 0;
    parameter RESET_MODE = "SYNC";
    input [WIDTH-1:0] A, B;
    input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET;
    output [2*WIDTH-1:0] DOUT;

    reg [WIDTH-1:0] a_held = 0, b_held = 0;
    reg a_sign = 0, b_sign = 0;
    reg [2*WIDTH-1:0] pipe = 0, held = 0;
    wire [WIDTH-1:0] a = AREG ? a_held : A;
    wire [WIDTH-1:0] b = BREG ? b_held : B;
    wire signed [WIDTH:0] left = {(ASIGN_REG ? a_sign : ASIGN) & a[WIDTH-1], a};
    wire signed [WIDTH:0] right = {(BSIGN_REG ? b_sign : BSIGN) & b[WIDTH-1], b};
    wire signed [2*WIDTH+1:0] product = left * right;
    wire [2*WIDTH-1:0] piped = PIPE_REG ? pipe : product[2*WIDTH-1:0];
    always @(posedge CLK)
        if (RESET) begin
            a_held <= 0;
            b_held <= 0;
            a_sign <= 0;
            b_sign <= 0;
            pipe <= 0;
            held <= 0;
        end else if (CE) begin
            a_held <= A;
            b_held <= B;
            a_sign <= ASIGN;
            b_sign <= BSIGN;
            pipe <= product[2*WIDTH-1:0];
            held <= piped;
        end
    assign DOUT = OUT_REG ? held : piped;

    wire bad = ASEL || BSEL || RESET_MODE != "SYNC" && RESET;
    always @(posedge bad) begin
        $display("ERROR: a multiplier fed from its neighbor, or with an asynchronous reset");
        $finish;
    end
endmodule

module MULT9X9(input [8:0] A, B, SIA, SIB, input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [17:0] DOUT);
    `GOWIN_MULTIPLIER
    gowin_multiplier `GOWIN_MULTIPLIER_OF(9)
endmodule

module MULT18X18(input [17:0] A, B, SIA, SIB, input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
    output [35:0] DOUT);
    `GOWIN_MULTIPLIER
    gowin_multiplier `GOWIN_MULTIPLIER_OF(18)
endmodule
